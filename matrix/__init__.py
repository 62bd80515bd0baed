"""The corners of what Retrain runs on, each built and tried for real: `make matrix`."""

"""Sample tables, one for each spec that comes with Retrain."""

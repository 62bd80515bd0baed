"""Tables to try Retrain on, one for each spec that comes with it."""

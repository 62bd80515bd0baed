"""Your candidates: functions that return an unfitted scikit-learn estimator."""

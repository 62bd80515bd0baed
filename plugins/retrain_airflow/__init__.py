"""Retrain for Airflow: hooks, operators, sensors and notifiers over the core in `retrain`."""

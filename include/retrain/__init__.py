"""Retrain's core. Runs without Airflow: a notebook can take, train and judge with the same functions."""

"""The tracker over HTTP, for who has neither Airflow nor MLflow at hand. It can do no more than the operators."""

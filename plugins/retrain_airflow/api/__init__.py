"""The tracker over HTTP, for clients without Airflow or MLflow. It can do no more than the operators."""

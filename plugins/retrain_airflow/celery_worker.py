"""For Celery's setting `imports`: Airflow's Celery worker loads no plugin before it forks its processes."""

from retrain_airflow import preload

preload.where_needed()

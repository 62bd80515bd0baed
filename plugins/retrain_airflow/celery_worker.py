"""For Celery's setting `imports`: Airflow's Celery worker loads no plugin before it forks what runs tasks."""

from retrain_airflow import preload

preload.where_needed()

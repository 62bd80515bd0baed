"""All of Retrain's DAGs: the one file that Airflow's DAG folder needs. Each time it is parsed, the specs are read."""

from retrain_airflow.dags.build import build

globals().update(build())

#!/bin/bash
# Makes roles and databases once, when PostgreSQL has no files yet. Airflow, MLflow and Retrain have separate ones. Tasks
# may write Retrain's rows but not change its tables, and may only read the source.
set -euo pipefail

run() { psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" "$@"; }

role() {
    run --dbname postgres --set name="$1" --set password="$2" <<< "CREATE ROLE :\"name\" LOGIN PASSWORD :'password'"
}

database() {
    run --dbname postgres --set name="$1" --set owner="$2" <<< 'CREATE DATABASE :"name" OWNER :"owner"'
    run --dbname postgres --set name="$1" <<< 'REVOKE CONNECT ON DATABASE :"name" FROM PUBLIC'
}

role airflow "$AIRFLOW_DB_PASSWORD"
role mlflow "$MLFLOW_DB_PASSWORD"
role retrain "$RETRAIN_OWNER_PASSWORD"
role retrain_task "$RETRAIN_DB_PASSWORD"
role source_owner "$SOURCE_DB_PASSWORD"
role source_reader "$SOURCE_DB_PASSWORD"
database airflow airflow
database mlflow mlflow
database mlflow_auth mlflow
database retrain retrain
database source source_owner
run --dbname postgres <<< 'GRANT CONNECT ON DATABASE retrain TO retrain_task; GRANT CONNECT ON DATABASE source TO source_reader'
run --dbname source <<'SQL'
ALTER DEFAULT PRIVILEGES FOR ROLE source_owner IN SCHEMA public GRANT SELECT ON TABLES TO source_reader;
SQL

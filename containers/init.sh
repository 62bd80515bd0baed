# Brings every database up to date, and makes the first user. A second run changes nothing.
set -eu

retrain migrate --dsn "$RETRAIN_OWNER_DSN"
airflow db migrate
airflow users create --role Admin --username admin --password "$ADMIN_PASSWORD" \
    --firstname Ada --lastname Admin --email admin@example.org

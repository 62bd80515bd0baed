# MLflow's server with its own login. It brings its tables up to date first; the old server has ended by then.
set -eu

databases=postgresql+psycopg2://mlflow:$MLFLOW_DB_PASSWORD@${POSTGRES_HOST:-postgres}
database=$databases/mlflow
umask 077
cat > /tmp/basic_auth.ini << INI
[mlflow]
default_permission = NO_PERMISSIONS
database_uri = $databases/mlflow_auth
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
auth_cache_ttl_seconds = 60
INI
export MLFLOW_AUTH_CONFIG_PATH=/tmp/basic_auth.ini
# In an empty database this makes the tables as the server would.
python -c 'import sys; from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore; SqlAlchemyStore(sys.argv[1], "/tmp")' \
    "$database" 2> /dev/null || mlflow db upgrade "$database"
# The registry is serializable, so that two promotions at once cannot leave two versions in Production.
exec mlflow server --app-name basic-auth --workers 2 --host 0.0.0.0 --port 5000 \
    --allowed-hosts 'mlflow:*,mlflow,localhost:*,127.0.0.1:*' \
    --backend-store-uri "$database" \
    --registry-store-uri "$database?options=-c%20default_transaction_isolation%3Dserializable" \
    --serve-artifacts --artifacts-destination "$RETRAIN_STORE/artifacts"

#!/bin/sh
# `make restore FROM=folder`: replaces everything that is stored with a backup, and starts all services.
set -eu

from=$1
fail() { echo "$1" >&2; exit 1; }
for name in postgres store artifacts; do
    [ -f "$from/$name.tar.gz" ] || fail "$from holds no $name.tar.gz: it is not a complete backup"
    gzip -t "$from/$name.tar.gz" || fail "$from/$name.tar.gz is damaged"
done

docker compose down --remove-orphans
# The database knows the queued tasks; the queue's own contents are out of date.
docker compose run --rm --no-deps -T --entrypoint sh redis -c 'rm -rf /data/*'
docker compose run --rm --no-deps -T --entrypoint sh postgres -c '
    set -eu
    mkdir -p "$PGDATA"
    find "$PGDATA" -mindepth 1 -delete
    tar -C "$PGDATA" -xzf -
    chown -R postgres:postgres "$PGDATA"
    chmod 700 "$PGDATA"' < "$from/postgres.tar.gz"
for store in store artifacts; do
    service=worker
    [ $store = store ] || service=mlflow
    docker compose run --rm --no-deps -T "$service" sh -c '
        find /var/lib/retrain -mindepth 1 -delete
        tar -C /var/lib/retrain -xzf -' < "$from/$store.tar.gz"
done
docker compose up --wait

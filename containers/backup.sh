#!/bin/sh
# `make backup TO=folder`: copies all databases of PostgreSQL as they were at one moment, then the stores. The files that
# the databases refer to were stored before that moment and are still there: files are never changed, and old snapshots
# are removed long after the last reference. Everything goes on running.
set -eu

to=$1
mkdir -p "$to"
chmod 700 "$to"
fail() { echo "$1" >&2; exit 1; }
[ -z "$(ls -A "$to")" ] || fail "$to is not empty: a backup needs a folder of its own"

# pg_basebackup ends with the WAL of the copy, so that all databases are of one moment.
docker compose exec -T postgres pg_basebackup --username postgres --checkpoint fast --format tar --wal-method fetch --pgdata - \
    | gzip -1 > "$to/postgres.tar.gz.unfinished"
gzip -dc "$to/postgres.tar.gz.unfinished" | tar -tf - > /dev/null || fail "the copy of PostgreSQL is not complete: see above"
for store in store artifacts; do
    service=worker
    [ $store = store ] || service=mlflow
    # 1: a file was written meanwhile; it is newer than the databases
    docker compose run --rm --no-deps -T "$service" sh -c 'tar -C /var/lib/retrain -cf - . || [ $? = 1 ]' \
        | gzip -1 > "$to/$store.tar.gz.unfinished"
    gzip -dc "$to/$store.tar.gz.unfinished" | tar -tf - > /dev/null || fail "the copy of $store is not complete: see above"
done
for name in postgres store artifacts; do
    mv "$to/$name.tar.gz.unfinished" "$to/$name.tar.gz"
done
echo "$to: $(du -sh "$to" | cut -f 1). The passwords are not in it: keep .env where you keep secrets."

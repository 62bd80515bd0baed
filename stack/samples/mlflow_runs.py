"""Writes thousands of finished runs into MLflow's tables by SQL, in seconds instead of minutes.

The rows are like those that MLflow's server writes. Afterwards the tables are analysed, as autovacuum would do later.
"""

from contextlib import closing

import psycopg2

from retrain.tracker.entities import Experiment


def fill(dsn: str, experiment: Experiment, runs: int, *, params: int = 5, metrics: int = 5) -> list[str]:
    """Write the runs and return their ids, oldest first. dsn: MLflow's database."""
    values = {
        "experiment": int(experiment.id),
        "location": experiment.artifact_location,
        "runs": runs,
        "params": params,
        "metrics": metrics,
    }
    with closing(psycopg2.connect(dsn)) as session:
        with session, session.cursor() as cursor:
            cursor.execute("SELECT setseed(0.5)")
            cursor.execute(_FILL, values)
        session.autocommit = True
        with session.cursor() as cursor:
            cursor.execute("ANALYZE")
            cursor.execute("SELECT run_uuid FROM runs WHERE experiment_id = %(experiment)s ORDER BY start_time", values)
            return [row[0] for row in cursor.fetchall()]


_FILL = """
CREATE TEMPORARY TABLE made ON COMMIT DROP AS
SELECT n, md5(n::text) AS id, 1750000000000 + n * 60000 AS begun FROM generate_series(1, %(runs)s) AS n;

INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time, end_time,
                  source_version, lifecycle_stage, artifact_uri, experiment_id)
SELECT id, 'run ' || n, 'UNKNOWN', '', '', 'me', 'FINISHED', begun, begun + 30000,
       '', 'active', %(location)s || '/' || id || '/artifacts', %(experiment)s FROM made;

INSERT INTO params (key, value, run_uuid)
SELECT 'p' || k, (n * (k + 1) %% 97)::text, id FROM made, generate_series(0, %(params)s - 1) AS k;

INSERT INTO tags (key, value, run_uuid)
SELECT 'mlflow.runName', 'run ' || n, id FROM made UNION ALL SELECT 'mlflow.user', 'me', id FROM made;

INSERT INTO metrics (key, value, timestamp, step, is_nan, run_uuid)
SELECT 'm' || k, random(), begun + 20000, 0, false, id FROM made, generate_series(0, %(metrics)s - 1) AS k;

INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid)
SELECT m.key, m.value, m.timestamp, m.step, m.is_nan, m.run_uuid FROM metrics m JOIN made ON made.id = m.run_uuid;
"""

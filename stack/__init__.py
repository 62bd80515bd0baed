"""The local stack: PostgreSQL, MLflow and Airflow on one machine, without Docker.

From a shell `python -m stack up|down|reset|status|run`; from Python `with stack.local.running(home) as running: …`.
"""

"""The ways in which an installation is wrong, each as something that breaks it, and follows the remedy."""

from tests.airflow.doctor_ways import airflow, ledger, mlflow, packages, production, snapshots, source, specs
from tests.airflow.doctor_ways.way import Way

WAYS: tuple[Way, ...] = tuple(
    way
    for module in (specs, packages, airflow, ledger, snapshots, mlflow, source, production)
    for way in vars(module).values()
    if isinstance(way, Way)
)
"""In the order of docs/doctor.md."""

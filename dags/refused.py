"""Says why a spec makes no DAG, as an import error of this file: one of retrain.py would keep Airflow from all DAGs."""

from pathlib import Path
from runpy import run_path

from airflow.sdk import DAG


class RefusedSpecs(DAG):
    """Stands for the specs that make no DAG; what its validation says is what Airflow shows."""

    faults: tuple[str, ...] = ()

    def validate(self) -> None:
        raise ValueError("\n".join(self.faults))


faults = run_path(str(Path(__file__).with_name("retrain.py")))["faults"]
if faults:
    refused = RefusedSpecs("retrain_refused_specs", schedule=None, auto_register=False)
    refused.faults = tuple(faults)

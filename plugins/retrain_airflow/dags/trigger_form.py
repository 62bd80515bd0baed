"""What the trigger forms of several DAGs have in common."""

from pathlib import Path

from airflow.sdk import Param

from retrain.errors import SettingsError
from retrain.spec import files as spec_files

BY = "{{ dag_run.triggering_user_name | default('', true) }}"
"""A template: the user who started the run; empty where no person did, or Airflow does not say (3.1.0)."""
SPEC = "{{ spec_of(params.model) }}"
"""A template: the path of the spec file whose model the run is for. So are its retries, its channels, its aliases."""


def path_of(folder: Path | None, model: str) -> str:
    """Return the path of a model's spec: the macro `spec_of`. folder: of the spec files; None if it is not named."""
    if folder is None:
        raise SettingsError("RETRAIN_SPECS is not set; set it to the folder that holds your specs")
    return str(spec_files.load_folder(folder).of_model(model).path)


def why() -> Param:
    """Return the field for the reason, which is required."""
    return Param(
        type="string",
        title="Why",
        minLength=1,
        maxLength=1000,
        description="Kept in the ledger, and sent to the team, with your name.",
    )

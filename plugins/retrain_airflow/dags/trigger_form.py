"""What the trigger forms of several DAGs have in common."""

from airflow.sdk import Param

BY = "{{ dag_run.triggering_user_name or '' }}"
"""A template: the user who started the run; empty where no person did."""


def why() -> Param:
    """Return the field for the reason, which is required."""
    return Param(
        type="string",
        title="Why",
        minLength=1,
        maxLength=1000,
        description="Kept in the ledger, and sent to the team, with your name.",
    )

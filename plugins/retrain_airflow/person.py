"""What a form asks a person who changes Production, and who that is."""

from airflow.sdk import Param

YES, NO = "Promote", "Hold"
"""What an approval can be."""

ASK = "ask"
"""The task that waits for one."""

BY = "{{ dag_run.triggering_user_name or '' }}"
"""A template: who started the run; empty for one that no person did."""


def why() -> Param:
    """The reason, which is required."""
    return Param(
        type="string",
        title="Why",
        minLength=1,
        maxLength=1000,
        description="Kept in the ledger, and told to the team, with your name.",
    )

"""What holds after a first cycle, however often its processes were killed: each thing exists once."""

from collections.abc import Callable, Sequence

from retrain.tracker.client import ExperimentTracker

Query = Callable[[str], Sequence[Sequence[str]]]
"""Returns the rows of a query to Retrain's database, each value as text."""


def assert_once(tracker: ExperimentTracker, model: str, candidates: int, query: Query) -> None:
    """Assert one run of the cycle and one for each candidate, one version, one Production, one row in the ledger."""
    experiment = tracker.find_experiment(model)
    assert experiment is not None
    runs = tracker._client.search_runs([experiment])
    parents = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    assert (len(parents), len(runs)) == (1, 1 + candidates)
    assert {run.info.status for run in runs} == {"FINISHED"}
    (version,) = tracker._client.search_model_versions(f"name = '{model}'")
    assert (version.version, version.current_stage, tracker.production(model)) == ("1", "Production", "1")
    assert len(tracker._client.search_logged_models([experiment])) == candidates + 1

    def ledger(columns: str, table: str) -> list[list[str]]:
        return [list(row) for row in query(f"SELECT {columns} FROM retrain.{table} WHERE model = '{model}'")]

    assert ledger("to_version, (applied_at IS NOT NULL)::text", "promotions") == [["1", "true"]]
    assert ledger("outcome", "verdicts") == [["PROMOTE"]]
    assert ledger("count(*)::text, count(delivered_at)::text", "outbox") == [["2", "2"]]

"""Days that pass for split tests: a test cannot wait for them, so all times of the ledger move back."""

from collections.abc import Iterator

_FIELDS = {"splits": ("began", "ends"), "split_steps": ("began", "ends"), "split_looks": ("at",)}


def statements(days: int, model: str) -> Iterator[str]:
    """Yield the SQL that lets as many days pass for the split tests of a model."""
    of_model = f"IN (SELECT id FROM retrain.splits WHERE model = '{model}')"
    for table, fields in _FIELDS.items():
        which = "id" if table == "splits" else "split"
        for name in fields:
            body = f"jsonb_set(body, '{{{name}}}', to_jsonb((body->>'{name}')::timestamptz - interval '{days} days'))"
            yield f"UPDATE retrain.{table} SET body = {body} WHERE {which} {of_model}"

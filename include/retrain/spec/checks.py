"""Section `checks`: the checks of the rows before anything is trained on them."""

from datetime import timedelta
from typing import Literal

from pydantic import Field, model_validator

from retrain.spec.fields import Duration, Section

OnFail = Literal["block", "warn"]
"""What a failed check does: end the cycle before anything is trained, or only warn."""


class TypesCheck(Section):
    """A check without a limit."""

    on_fail: OnFail
    """`block` ends the cycle before anything is trained; `warn` goes on."""


class ShareCheck(Section):
    """A check of a share of rows."""

    max: float = Field(ge=0, le=1)
    """Greatest share that passes: 0 allows none, 1 all."""
    on_fail: OnFail
    """`block` ends the cycle before anything is trained; `warn` goes on."""


class FutureCheck(ShareCheck):
    """A check of the share of rows from the future."""

    ahead: Duration = timedelta(days=1)
    """How far in the future a label time may be: a column without a time zone is read as UTC."""


class Checks(Section):
    """The checks of a snapshot before anything is trained on it.

    *New* rows are those that the last consumed snapshot did not hold, or held with another label or content; if there
    are none, all rows are checked instead. What makes a verdict worthless blocks by default, the rest warns. A field of
    a check that is not given has its default.
    """

    column_types: TypesCheck = TypesCheck(on_fail="block")
    """A feature was text and is not any more, or the other way round; or the label has another type."""
    null_share: ShareCheck = ShareCheck(max=0.5, on_fail="warn")
    """Share of the new rows in which a feature is NULL or NaN."""
    infinite_numbers: ShareCheck = ShareCheck(max=0, on_fail="block")
    """Share of all rows in which a feature is infinite: most estimators refuse these, and name no row."""
    empty_labels: ShareCheck = ShareCheck(max=0, on_fail="block")
    """Share of all rows with an empty label, until `source.empty_label` says what that is."""
    empty_texts: ShareCheck = ShareCheck(max=0.1, on_fail="warn")
    """Share of the new rows in which a text holds nothing but white space."""
    duplicates: ShareCheck = ShareCheck(max=0.5, on_fail="warn")
    """Share of all rows that repeat the content of another row."""
    conflicting_labels: ShareCheck = ShareCheck(max=0.05, on_fail="warn")
    """Share of all rows whose content has another label elsewhere. This and the next three are for classification."""
    unseen_labels: ShareCheck = ShareCheck(max=0, on_fail="warn")
    """Share of the new rows with a label that the last snapshot did not hold."""
    vanished_labels: ShareCheck = ShareCheck(max=0, on_fail="warn")
    """Share of the last snapshot's rows with a label that no row has now."""
    moved_labels: ShareCheck = ShareCheck(max=0.2, on_fail="warn")
    """Difference between a label's share of the new rows and of the last snapshot's."""
    future_labels: FutureCheck = FutureCheck(max=0, on_fail="block")
    """Share of all rows labelled in the future: rows that are labelled until then would not be counted as new."""
    resequenced_keys: ShareCheck = ShareCheck(max=0.3, on_fail="block")
    """Share of the last snapshot's rows whose content has another key now."""
    changed_rows: ShareCheck = ShareCheck(max=0.5, on_fail="warn")
    """Share of the rows with a key of the last snapshot whose content is another one now."""
    fallen_rows: ShareCheck = ShareCheck(max=0.5, on_fail="block")
    """Share of the last snapshot's rows whose key is gone."""

    @model_validator(mode="before")
    @classmethod
    def _with_defaults(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        defaults = {name: field.default.model_dump(mode="json") for name, field in cls.model_fields.items()}
        return {
            name: {**defaults[name], **each} if name in defaults and isinstance(each, dict) else each
            for name, each in value.items()
        }

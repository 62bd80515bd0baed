from datetime import UTC, datetime
from typing import Any

from airflow.sdk import Context

from retrain.errors import SettingsError
from retrain_airflow.inputs import is_on
from retrain_airflow.operators.spec import SpecOperator


class AdoptOperator(SpecOperator):
    """Takes over a Production that Retrain did not log, or says that it is not Production. Returns what was done."""

    template_fields = ("spec", "version", "format", "digest", "trained_before", "python", "none", "why", "by")

    def __init__(
        self,
        *,
        why: Any,
        version: Any = None,
        format: Any = None,
        digest: Any = None,
        trained_before: Any = None,
        python: Any = None,
        none: Any = False,
        by: str = "",
        **kwargs: Any,
    ) -> None:
        """version: empty for the one that looks like Production. format, digest: of its files, as the person has seen
        them; without them the task fails and says what they are. trained_before: a time of ISO 8601. python: name of
        the interpreter that loads it. none: say that what looks like Production is not.
        """
        super().__init__(**kwargs)
        self.version = version
        self.format = format
        self.digest = digest
        self.trained_before = trained_before
        self.python = python
        self.none = none
        self.why = why
        self.by = by

    def execute(self, context: Context) -> str:
        from retrain.cycle.adopt import adopt, dismiss

        hook = self.hook
        cycle = hook.cycle(context)
        if is_on(self.none, "none"):
            done = dismiss(cycle, why=self.why, by=self.by)
        else:
            done = adopt(
                cycle,
                source=hook.source,
                version=self.version or None,
                repeated=self.format or None,
                digest=self.digest or None,
                trained_before=_time(self.trained_before),
                python=self.python or None,
                why=self.why,
                by=self.by,
            )
        self.log.info("%s", done)
        return done


def _time(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise SettingsError(f"trained_before = {text!r}: is not a time of ISO 8601; choose one in the form") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)

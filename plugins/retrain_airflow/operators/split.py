from typing import Any

from airflow.sdk import Context

from retrain_airflow.compat import AirflowSkipException
from retrain_airflow.operators.spec import SpecOperator

LOOK, PLAN, START, STOP, EXTEND = "look", "plan", "start", "stop", "extend"
ACTIONS = (LOOK, PLAN, START, STOP, EXTEND)


class AskSplitOperator(SpecOperator):
    """Plans, begins, stops or extends a split test, as a person asks for it. Skipped where a run only looks.

    A plan is in its log, on the dashboard, and what it returns.
    """

    template_fields = ("spec", "action", "version", "weeks", "units_a_day", "why", "by")

    def __init__(
        self,
        *,
        action: Any,
        why: Any,
        version: Any = None,
        weeks: Any = 1,
        units_a_day: Any = None,
        by: str = "",
        **kwargs: Any,
    ) -> None:
        """action: one of ACTIONS. why: for the ledger and the team. version: to be tested; None for Staging's. weeks:
        that a test is extended by. units_a_day: new ones, for a plan; None for those of the table of exposures. by: the
        user who started the run.
        """
        super().__init__(**kwargs)
        self.action = action
        self.why = why
        self.version = version
        self.weeks = weeks
        self.units_a_day = units_a_day
        self.by = by

    def execute(self, context: Context) -> dict[str, Any] | None:
        if self.action == LOOK:
            raise AirflowSkipException("Nothing was asked for but a look")
        if self.action == PLAN:
            return self._plan()
        from retrain.ab.begin import begin
        from retrain.ab.end import stop
        from retrain.ab.extend import extend

        hook = self.hook
        cycle, why = hook.cycle(context), self.why or "no reason was given"
        key, by = cycle.key("split", self.action), cycle.by(self.by)
        if self.action == START:
            begin(hook.testing, key=key, by=by, why=why, version=self.version or None)
        elif self.action == STOP:
            stop(hook.testing, key=key, by=by, why=self.why or "")
        else:
            extend(hook.testing, int(self.weeks), key=key, by=by, why=why)
        return None

    def _plan(self) -> dict[str, Any]:
        from retrain.ab.planned import planned, sentences

        hook = self.hook
        ledger = hook.ledger
        found = planned(hook.spec, hook.units, ledger.now(), float(self.units_a_day) if self.units_a_day else None)
        ledger.save_split_plan(hook.spec.model, found)
        for line in sentences(found):
            self.log.info("%s", line)
        return found.to_json()


class LookAtSplitOperator(SpecOperator):
    """Looks at the split test that is under way, once a day, and concludes what can be concluded.

    Returns how it is now. Skipped where none is under way. With `assets.production` among its outlets, it wakes the
    DAGs that are scheduled on the model's asset.
    """

    def execute(self, context: Context) -> dict[str, Any]:
        from retrain.ab import report
        from retrain.ab.look import look
        from retrain_airflow import assets

        hook = self.hook
        looked = look(hook.testing)
        report.refresh(hook.testing)
        if looked is None:
            raise AirflowSkipException("No split test is under way")
        if looked.look is not None:
            self.log.info("Look %s: %s. %s", looked.look.place, looked.look.answer, looked.look.why)
        if looked.end is not None:
            self.log.info("The test has ended, %s: %s", looked.end.outcome, looked.end.why)
            if looked.end.outcome == "promoted":
                assets.describe_change(hook.ledger.history(hook.spec.model)[-1], context, self.outlets)
        return {
            "split": looked.split.id,
            "phase": looked.step.phase,
            "answer": looked.look.answer if looked.look else None,
            "outcome": looked.end.outcome if looked.end else None,
        }

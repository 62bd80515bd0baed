from typing import Any

from airflow.sdk import Context

from retrain.errors import RetrainError
from retrain.records import Incident
from retrain.topics import Topic
from retrain_airflow import task_faults
from retrain_airflow.hooks.retrain import RetrainHook
from retrain_airflow.operators.spec import SpecOperator


class LookOperator(SpecOperator):
    """Looks how Production does on later rows, and tells the team where it does worse than was promised.

    Returns the arguments of the run that is to start where the spec retrains on decay, else None.
    """

    def execute(self, context: Context) -> dict[str, Any] | None:
        from retrain.live.look import look
        from retrain.live.observing import Observing

        hook, ti = self.hook, context["ti"]
        try:
            looked = look(Observing(hook.spec, hook.source, hook.snapshots, hook.ledger, hook.tracker, hook.served))
        except RetrainError as error:
            task_faults.tell(hook, ti, error, _incident(hook, error, ti))
            raise
        for score in looked.scores:
            self.log.info("Version %s since %s: %s on %s rows.", score.version, score.begins, score.score, score.rows)
        for each in looked.looks:
            self.log.info("Against the %s's promise: z = %s, bound %s.", each.scan, each.z, each.bound)
        for tried in looked.trials:
            self.log.info("Trial of version %s: %s looks, %s.", tried.trial.version, len(tried.looks), tried.end)
        task_faults.end(hook, ti)
        if looked.cycle is None:
            return None
        conf = {"ignore_threshold": True, "note": "Production does worse on later rows than was promised."}
        return {"trigger_dag_id": hook.dag_id, "trigger_run_id": looked.cycle, "conf": conf}


def _incident(hook: RetrainHook, error: RetrainError, ti: Any) -> Incident:
    return Incident(
        model=hook.spec.model,
        topic=Topic.NOT_WATCHED,
        what=f"how Production does on later rows cannot be seen: {error}.",
        remedy="It looks again in ten minutes. Cycles go on meanwhile.",
        facts=task_faults.facts(ti),
    )

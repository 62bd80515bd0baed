"""Sends what waits in a model's outbox, from wherever a message was made."""

from typing import TYPE_CHECKING

from retrain.spec.spec import Spec
from retrain_airflow import metrics

if TYPE_CHECKING:
    from retrain.ledger.ledger import Ledger
    from retrain_airflow.hooks.retrain import RetrainHook


def send(path: str, spec: Spec, ledger: "Ledger") -> int:
    """Send what is due to the spec's channels. Returns how many messages all of them have received by that.

    path: of the spec file. A channel that refuses raises nothing: DAG `retrain-outbox` sends again.
    """
    from retrain.messages import outbox
    from retrain_airflow.channels import channels

    sent = outbox.send(spec.model, channels(spec), ledger=ledger)
    metrics.message_age(path, ledger.outbox_age(spec.model))
    return sent


def send_waiting(hook: "RetrainHook") -> None:
    """Send what is due, where something waits."""
    if hook.spec.model in hook.ledger.models_waiting():
        send(hook.path, hook.spec, hook.ledger)

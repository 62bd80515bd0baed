"""Whether verdicts change Production: as the spec says, or else by whose version is there."""

from retrain.ledger.ledger import Ledger
from retrain.spec.operation import Mode
from retrain.spec.spec import Spec


def mode_of(spec: Spec, ledger: Ledger) -> Mode:
    """Return the spec's mode. Without one: a Production that was adopted is only observed, until somebody writes it."""
    if spec.mode is not None:
        return spec.mode
    head = ledger.production(spec.model)
    files = ledger.model_files_of_version(spec.model, head.number) if head else []
    adopted = any(file.adopted for file in files if head and file.identity == head.identity)
    return Mode.OBSERVE if adopted else Mode.ENFORCE


def observes(spec: Spec, ledger: Ledger) -> bool:
    """Return whether verdicts are told as what would have been, and change nothing."""
    return mode_of(spec, ledger) is Mode.OBSERVE

"""A cycle's verdict without its training."""

import numpy as np

from retrain.gate import judge
from retrain.nouns import Snapshot, Trial, Verdict
from retrain.scores import Scores
from retrain.spec import Gate


def unmeasured(snapshot: Snapshot, trial_id: str, gate: Gate, *, dry_run: bool = False) -> Verdict:
    """INCONCLUSIVE: nothing could be asked."""
    trial = Trial(
        id=trial_id,
        model=snapshot.model,
        candidate="half",
        snapshot=snapshot.id,
        run_id="run",
        version=None,
        production=None,
        epoch=snapshot.epoch,
        test=1,
        dry_run=dry_run,
    )
    nothing = np.array([], np.int64)
    return judge(Scores(trial, ("no", "yes"), nothing, None, None, nothing, faults=("nothing was asked",)), gate)

"""A cycle's verdict without its training."""

import numpy as np

from retrain.gate.judge import judge
from retrain.gate.predictions import Evidence
from retrain.records import Matchup, Snapshot, Verdict
from retrain.spec.gate import Gate


def unmeasured(snapshot: Snapshot, matchup_id: str, gate: Gate, *, dry_run: bool = False) -> Verdict:
    """Return an INCONCLUSIVE verdict: no model could be measured."""
    matchup = Matchup(
        id=matchup_id,
        model=snapshot.model,
        candidate="half",
        snapshot=snapshot.id,
        run_id="run",
        version=None,
        production=None,
        holdout_round=snapshot.holdout_round,
        test=1,
        dry_run=dry_run,
    )
    nothing = np.array([], np.int64)
    return judge(Evidence(matchup, ("no", "yes"), nothing, None, None, nothing, faults=("nothing was asked",)), gate)

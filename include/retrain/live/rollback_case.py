"""Whether the version before does better than Production, on the same later rows, by the gate's own paired test."""

from collections.abc import Sequence

import numpy as np

from retrain.gate.comparison import compare
from retrain.gate.encoded import encoded
from retrain.gate.predictions import Evidence
from retrain.later import CohortScore
from retrain.ledger.promotions import before
from retrain.live import predicted as files
from retrain.live.observing import Observing
from retrain.live.predict import Predicting
from retrain.live.predicted import Predicted
from retrain.records import Matchup, VersionId
from retrain.source.layout import Within


def does_better(observing: Observing, scores: Sequence[CohortScore]) -> VersionId | None:
    """Return the version that a rollback would put back, if it is shown to be better on these cohorts; else None.

    scores: of cohorts, of which those of Production count. Rows that either of the two was made from do not count.
    """
    spec, ledger = observing.spec, observing.ledger
    head = ledger.production(spec.model)
    own = [each for each in scores if each.of == head and each.uri]
    if head is None or not own:
        return None
    known = (each for each in before(ledger.history(spec.model), head) if ledger.file_of(spec.model, each))
    version = next(known, None)
    if version is None:
        return None
    with Predicting(observing) as predicting:
        within = Within(observing.column, own[0].begins, own[-1].ends)
        labelled = sum(each.labelled for each in own)
        asked = predicting.predicted(version, within, labelled, "")
        if observing.served is None:
            theirs: Predicted | None = Predicted.joined([files.get(observing.snapshots, each.uri) for each in own])
        else:  # another version would be served as badly: both are asked
            theirs = predicting.predicted(head, within, labelled, "")
    if asked is None or theirs is None:
        return None
    _, left, right = np.intersect1d(asked.rows, theirs.rows, return_indices=True)
    return version if len(left) and _is_better(observing, asked.part(left), theirs.part(right)) else None


def _is_better(observing: Observing, asked: Predicted, production: Predicted) -> bool:
    """asked, production: the same rows, in the same order."""
    spec, gate = observing.spec, observing.spec.gate
    both = encoded(gate, spec.task, asked.labels, [asked.predictions, production.predictions])
    evidence = Evidence(
        matchup=Matchup(
            id=f"{spec.model} rollback",
            model=spec.model,
            candidate="",
            snapshot="",
            run_id="",
            version=None,
            production=None,
            holdout_round=0,
            test=1,
        ),
        classes=both.classes,
        labels=both.labels,
        challenger=both.predictions[0],
        production=both.predictions[1],
        clusters=production.clusters,
        scorers=both.scorers,
    )
    compared = compare(evidence, gate, evidence.production, threshold=0.0, alpha=gate.alpha)
    return compared is not None and compared.shown

"""The verb `observe`: scores Production on the rows that were labelled after it was made, cohort by cohort."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from retrain.errors import EstimatorError, NoAnswerError, SnapshotError, TrackerError
from retrain.later import CohortScore, SliceOfCohort
from retrain.live import predicted as files
from retrain.live.observing import Observing
from retrain.live.pieces import Piece, pieces, served
from retrain.live.predict import Predicting
from retrain.live.score import NOTHING, score_of
from retrain.live.served import ServedRows, served_rows
from retrain.snapshots.store import SnapshotStore
from retrain.source.layout import Within
from retrain.source.served import Log
from retrain.source.table import FIRST_MONDAY, Cohort
from retrain.spec.spec import Spec
from retrain.tracker.entities import MetricPoint

log = logging.getLogger(__name__)

LAST = 13
"""Cohorts that are looked at again: older ones are no longer restated."""


def observe(observing: Observing, predicting: Predicting) -> tuple[list[CohortScore], dict[str, str]]:
    """Bring the scores of the last cohorts up to date.

    Returns those that have changed, the oldest first, and why the versions that cannot be asked cannot, by number.

    A row belongs to the version that was in Production at its time, or, where predictions are logged as they were
    served, to the version that served it: then what was served is scored. One that is in the snapshot of that version
    does not count: the version was trained or judged on it. Run again, or killed and run again, it gives the same
    scores, and predicts no row twice. Raises SourceError where a table cannot be read, and NoAnswerError where MLflow
    does not answer.
    """
    spec, source, ledger = observing.spec, observing.source, observing.ledger
    history = ledger.history(spec.model)
    applied = [each.applied_at for each in history if each.applied_at is not None]
    if spec.cohort is None or not applied:
        return [], {}
    now = source.now()
    since = _begin(max(min(applied), now - LAST * spec.cohort), spec.cohort)
    known = {(each.begins, each.of): each for each in ledger.cohorts(spec.model, spec.cohort, since)}
    found = source.cohorts(Within(observing.column, since, now), spec.cohort)
    logs = observing.served.logs(Within(observing.column, since, now), spec.cohort) if observing.served else {}
    changed, missed = list[CohortScore](), dict[str, str]()
    for begins in sorted({*found, *(begins for begins, _ in known)}):
        ends, cohort = begins + spec.cohort, found.get(begins, Cohort(0, ""))
        log_of = logs.get(begins, Log({}, "")) if observing.served else None
        in_it = pieces(history, begins, ends) if log_of is None else served(history, log_of.versions, begins, ends)
        for piece in in_it:
            before = known.get((begins, piece.version))
            part = _Part(piece, begins, ends, cohort, log_of, before, is_open=now < ends + spec.watch.maturity)
            try:
                score = part.score(observing, predicting)
            except NoAnswerError:
                raise
            except (EstimatorError, SnapshotError, TrackerError) as error:
                missed[piece.version.number] = str(error)
                continue
            if score is not None:
                came = min(each.applied_at for each in history if each.applied_at and each.came == score.of)
                _log(observing, score, (begins - _begin(came, spec.cohort)) // spec.cohort)
                ledger.save_cohort(score)
                changed.append(score)
                if part.before is not None and part.before.uri not in ("", score.uri):
                    observing.snapshots.delete(part.before.uri)
    ledger.save_looked_at(spec.model)
    return changed, missed


def _log(observing: Observing, score: CohortScore, step: int) -> None:
    """Log the score of a closed cohort to its version's run: before it is saved, so that none is lost.

    A step may have several points, of which the last one counts.
    """
    file = observing.ledger.file_of(score.model, score.of)
    if file is None or file.run_id is None or score.score is None or score.open:
        return
    point = MetricPoint(step, score.score, score.ends)
    try:
        observing.tracker.log_points(file.run_id, [(f"later_{score.metric}", point)])
    except NoAnswerError:
        raise
    except TrackerError as error:  # such as a run that was deleted
        log.warning("%s: the score is not in MLflow: %s", score.model, error)


def _begin(time: datetime, length: timedelta) -> datetime:
    """Return when the cohort of a time begins."""
    return FIRST_MONDAY + (time - FIRST_MONDAY) // length * length


@dataclass(frozen=True)
class _Part:
    """A cohort's rows of one version, and what is known of them."""

    piece: Piece
    begins: datetime
    ends: datetime
    cohort: Cohort
    """As it is in the table now."""
    log: Log | None
    """What was served of its rows; None where the spec names no log."""
    before: CohortScore | None
    is_open: bool

    def score(self, observing: Observing, predicting: Predicting) -> CohortScore | None:
        """Return the score as it is now; None where nothing has changed."""
        spec, before = observing.spec, self.before
        same = before is not None and self._same(before, spec, observing.snapshots)
        if before is not None and same:
            return None if before.open == self.is_open else before.model_copy(update={"open": self.is_open})
        if before is None and not self.cohort.rows:
            return None
        found = self._rows(observing, predicting)
        rows = found.predicted
        seed = f"{spec.model} {self.begins.isoformat()} {self.piece.version.identity}"
        score = score_of(spec, rows, seed) if rows else NOTHING
        return CohortScore(
            model=spec.model,
            version=self.piece.version.number,
            identity=self.piece.version.identity,
            begins=self.begins,
            ends=self.ends,
            metric=spec.gate.metric,
            positive=spec.gate.positive,
            labelled=self.cohort.rows,
            rows=score.rows,
            score=score.value,
            error=score.error,
            interval=score.interval,
            calibration=score.calibration,
            slices=tuple(
                SliceOfCohort(name=name, rows=count, score=value) for name, (count, value) in score.slices.items()
            ),
            open=self.is_open,
            digest=self._digest,
            restated=0 if before is None else before.restated + (not before.open),
            uri=files.put(observing.snapshots, spec.model, rows, f"{self.begins:%Y%m%dT%H%M%S}") if rows else "",
            unserved=0 if self.log is None else self.cohort.rows - sum(self.log.versions.values()),
            asked=found.asked,
            skewed=found.skewed,
        )

    def _rows(self, observing: Observing, predicting: Predicting) -> ServedRows:
        """Return the rows with what was served where that is logged, else with what the version says of them."""
        version, within = self.piece.version, Within(observing.column, self.piece.since, self.piece.until)
        if observing.served is not None:
            return served_rows(observing.served, predicting, version, within, self.cohort.rows)
        before = self.before.uri if self.before else ""
        known = before if before and files.is_there(observing.snapshots, before) else ""
        return ServedRows(predicting.predicted(version, within, self.cohort.rows, known), 0, 0)

    @property
    def _digest(self) -> str:
        if self.log is None:
            return self.cohort.digest
        return sha256(f"{self.cohort.digest} {self.log.digest}".encode()).hexdigest()

    def _same(self, before: CohortScore, spec: Spec, snapshots: SnapshotStore) -> bool:
        """Return whether nothing has changed that the score follows from."""
        gate = (spec.gate.metric, spec.gate.positive)
        if before.uri and not files.is_there(snapshots, before.uri):
            return False
        return (before.digest, before.metric, before.positive) == (self._digest, *gate)

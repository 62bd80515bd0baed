"""A ledger that has scored later rows: versions in Production, cohorts by cohorts, and a look."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

from retrain.later import CohortScore, LiveLook, Seen
from retrain.ledger.ledger import Ledger
from retrain.messages import texts
from retrain.source.table import FIRST_MONDAY
from retrain.spec.source import Split
from tests.core.ledger.rows import apply, model_file, save, snapshot, verdict

WEEK = timedelta(days=7)
NOW = FIRST_MONDAY + (datetime.now(UTC) - FIRST_MONDAY) // WEEK * WEEK
"""When the week began that has not ended."""
ERROR = 0.008


def promote(ledger: Ledger, model: str, number: int, score: float, ago: int) -> None:
    """Put a version into Production so many weeks ago; its verdict promises this score."""
    before = str(number - 1) if number > 1 else None
    if before is None:
        ledger.begin_model(model, Split(), columns=["a"], announcement=texts.of_split_version)
    ledger.save_snapshot(snapshot(f"{model} s{number}", model))
    file = model_file(f"models:/{model}-{number}", model=model, snapshot=f"{model} s{number}")
    ledger.save_model_file(file)
    ledger.save_version(file.uri, str(number))
    made = verdict(
        f"{model} {number}",
        of=f"{model} s{number}",
        model=model,
        version=str(number),
        production=before,
        score=score,
        test=number,
    )
    judged = made.model_copy(
        update={
            "metric": "accuracy",
            "score_interval": (score - 0.015, score + 0.015),
            "matchup": made.matchup.model_copy(
                update={"identity": file.identity, "production_identity": before and f"{model}-{before}"}
            ),
        }
    )
    save(ledger, judged)
    apply(ledger, ledger.open_promotion(judged, "kim", "better"))
    with closing(ledger.connection()) as database, database, database.cursor() as cursor:
        cursor.execute(
            "UPDATE retrain.promotions SET applied_at = %s WHERE model = %s AND to_version = %s",
            (NOW - ago * WEEK, model, str(number)),
        )


def scored(ledger: Ledger, model: str, number: int, ago: int, score: float, **fields: Any) -> None:
    """Save the score of the week that began so many weeks ago; 0: the one that has not ended."""
    usual = {
        "model": model,
        "version": str(number),
        "identity": f"{model}-{number}",
        "begins": NOW - ago * WEEK,
        "ends": NOW - (ago - 1) * WEEK,
        "metric": "accuracy",
        "labelled": 1400,
        "rows": 1400,
        "score": score,
        "error": ERROR,
        "interval": (score - 1.96 * ERROR, score + 1.96 * ERROR),
        "calibration": 0.021,
        "open": ago == 0,
        "digest": "d",
        "uri": "file:///none",
    }
    ledger.save_cohort(CohortScore(**usual | fields))


def looked(ledger: Ledger, model: str, number: int, promised: float, score: float, *, alarm: bool) -> None:
    """Save the look at the last four weeks."""
    ledger.save_look(
        LiveLook(
            model=model,
            scan="version",
            identity=f"{model}-{number}",
            place=5,
            began=NOW - 9 * WEEK,
            cohort=NOW - WEEK,
            ends=NOW,
            rows=1400,
            metric="accuracy",
            promised=promised,
            promised_error=0.0077,
            margin=0.01,
            alpha=0.025,
            windows=(Seen(cohorts=4, rows=5600, begins=NOW - 4 * WEEK, score=score, error=ERROR / 2),),
            z=4.0,
            window=0,
            bound=2.7,
            alarm=alarm,
        )
    )
    ledger.save_looked_at(model)

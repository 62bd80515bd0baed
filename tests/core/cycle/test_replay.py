"""Ten years of real reviews, month by month, through snapshots, checks and drift: every row is accounted for."""

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from retrain.ledger.ledger import Ledger
from retrain.messages import texts
from retrain.quality import checks
from retrain.quality.drift import drift, new_or_all, sample
from retrain.records import Snapshot, Subset
from retrain.snapshots.store import SnapshotStore
from retrain.source.table import Source
from retrain.spec.files import load
from retrain.spec.spec import Spec
from stack import feed
from stack.home import PROJECT
from tests.conftest import Database
from tests.core.verdicts import unmeasured

TRAINED = pa.array([Subset.TRAIN, Subset.VALIDATION])


@pytest.mark.soak
def test_of_reviews_that_come_month_by_month_every_one_is_accounted_for(
    database: Database, ledger: Ledger, tmp_path: Path, reviews: Path
) -> None:
    file = load(PROJECT / "include" / "specs" / "reviews.yaml")
    source = Source(database.connect, file.spec.source, file.sql)
    store = SnapshotStore((tmp_path / "snapshots").as_uri())
    rows = pd.concat([feed.read(each, "written_on") for each in sorted(reviews.glob("*.tsv.gz"))], ignore_index=True)
    months = [month for _, month in rows.groupby(rows["written_on"].dt.strftime("%Y-%m"))]
    new, warned = list[int](), dict[str, int]()
    reference: Snapshot | None = None
    for number, month in enumerate(months):
        with closing(database.connect()) as session:
            feed.load(session, "reviews", month, key="review_id")
        last = ledger.last_consumed(file.spec.model)
        snapshot = _taken(file.spec, source, store, ledger, f"trial {number}")
        table = store.table(snapshot)
        before = None if last is None else store.table(last)
        for each in checks.run(file.spec, table, before, same_contents=last is not None, now=datetime.now(UTC)):
            assert each.result != "blocked", each.says
            if not each.passed:
                warned[each.name] = warned.get(each.name, 0) + 1
        if number % 12 == 11:  # as if once a year a new version was trained
            if reference is not None:
                known = store.table(reference)
                known = known.filter(pc.is_in(known["retrain.subset"], TRAINED))
                _say(
                    month,
                    drift(sample(known, "a"), sample(new_or_all(table, known["key"]), "b"), ["text"], file.spec.task),
                )
            reference = snapshot
        new.append(snapshot.new_rows)
        assert sum(snapshot.subsets.values()) == snapshot.rows

    labelled = int(((rows["rating"] >= 9) | (rows["rating"] <= 4))[rows["text"].notna()].sum())
    print(f"{len(months)} months, {len(rows):,} reviews, {labelled:,} labelled, warned: {warned}")
    assert sum(new) == snapshot.rows == labelled


def _taken(spec: Spec, source: Source, store: SnapshotStore, ledger: Ledger, matchup: str) -> Snapshot:
    """A cycle without its training."""
    split_version, last = (
        ledger.begin_model(spec.model, spec.split, announcement=texts.of_split_version),
        ledger.last_consumed(spec.model),
    )
    with source.labelled() as rows:
        snapshot = store.write(
            spec.model, rows, split_version=split_version, round_rows=2_000, last=last, inherits=last
        )
    ledger.save_snapshot(snapshot)
    verdict = unmeasured(snapshot, matchup, spec.gate)
    ledger.save_verdict(verdict, texts.of_verdict(verdict), of=snapshot)
    return snapshot


def _say(month: pd.DataFrame, found: object) -> None:
    text = ", ".join(
        f"{each.name}: PSI {each.psi:.3f}"
        + ("" if each.unseen_words is None else f", unseen words {each.unseen_words:.3f}, JS {each.js_distance:.3f}")
        for each in found  # type: ignore[attr-defined]
    )
    print(f"{month['written_on'].max():%Y-%m}: {text}")

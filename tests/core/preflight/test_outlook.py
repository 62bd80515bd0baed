"""What `check` says of a gate before its first verdict: how many equal refits pass, and how many false promotions."""

from datetime import UTC, datetime

import pytest

from retrain.errors import SourceError
from retrain.preflight.outlook import outlook
from tests.core.spec.specs import DATED, spec


def said(table=None, /, **fields):
    return [each.text for each in outlook(spec(**fields), table) if not each.fault]


class Counted:
    """A source in which so many rows were labelled lately."""

    def __init__(self, rows: int) -> None:
        self.rows = rows

    def now(self) -> datetime:
        return datetime(2026, 3, 8, tzinfo=UTC)

    def count_labelled(self, after: datetime, at_most: int) -> int:
        assert after == datetime(2026, 2, 8, tzinfo=UTC)
        return min(self.rows, at_most)


class Gone(Counted):
    def count_labelled(self, after: datetime, at_most: int) -> int:
        raise SourceError("the table is gone")


@pytest.mark.parametrize(("rows", "share"), [(500, "15%"), (1_000, "25%"), (2_000, "45%")])
def test_of_equal_refits_few_pass_with_a_small_holdout(rows, share):
    says, *_ = said(gate={"round_rows": rows}, threshold={"rows": 500})

    assert f"passes the margin of 0.01 in about {share} (a holdout of {rows:,} rows, " in says
    assert "; for 80% set gate.round_rows to 4,800, or gate.margin to 0.0" in says


def test_a_round_has_what_a_cycle_brings_when_it_is_more():
    (says,) = said(threshold={"rows": 20_000})

    assert "(a holdout of 4,000 rows" in says


def test_where_enough_pass_nothing_more_is_advised():
    says, *_ = said(gate={"round_rows": 6_000})

    assert says.endswith("two models that differ on 6% of the rows)")


@pytest.mark.parametrize(
    "fields",
    [
        {"gate": {"proof": "superiority"}},
        {"gate": {"metric": "log_loss", "ceiling": 1}},
        {"gate": {"metric": "r2"}, "task": "regression"},
    ],
)
def test_where_the_assumption_does_not_fit_nothing_is_said(fields):
    assert said(**fields) == []


@pytest.mark.parametrize(
    ("threshold", "false"),
    # 130,446 rows a year: 130 cycles of 1,000, and 52 rounds of 500 holdout rows; or 13 cycles, each with a round.
    [(1_000, "2.6"), (10_000, "0.65")],
)
def test_with_a_source_the_false_promotions_of_a_year_are_bounded(threshold, false):
    _, says = said(Counted(10_000), source=DATED, threshold={"rows": threshold})

    assert says == (
        f"gate: at the present rate (10,000 labelled rows in 28 days) it allows at most {false} promotions a year of "
        "what its proof excludes: alpha 0.05 in each holdout round"
    )


@pytest.mark.parametrize("table", [Counted(0), Gone(0)])
def test_without_a_rate_nothing_is_said_about_a_year(table):
    assert len(said(table, source=DATED)) == 1


def test_without_label_times_there_is_no_rate():
    assert len(said(Counted(10_000))) == 1


def test_a_round_that_lasts_longer_than_its_tests_is_told():
    _, says = said(gate={"round_rows": 2_000}, threshold={"rows": 500})

    assert says == (
        "gate: a cycle brings about 100 holdout rows, so a round of 2,000 lasts 20 cycles and has 5 tests: the others "
        "are INCONCLUSIVE; set threshold.rows to 2,000, or gate.round_rows to 500"
    )
    assert len(said(gate={"round_rows": 500}, threshold={"rows": 500})) == 1

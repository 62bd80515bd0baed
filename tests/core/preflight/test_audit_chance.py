"""Whether Production was promoted by a number that may be chance: said where it can be, and not where it cannot."""

from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest

from retrain.cycle.promote import promote
from retrain.preflight import audit as module
from retrain.preflight.audit_chance import may_be_chance_however_paired, newcombe
from retrain.preflight.counts import Counted
from tests.core.conftest import Make
from tests.core.cycle.looking import asking_for_gain, quick
from tests.core.preflight.conftest import Registry
from tests.core.preflight.others import Others


def about_chance(registry: Registry, others: Others) -> list[tuple[str, str]]:
    """Return kind and text of what was found about the numbers behind Production."""
    kinds = ("may_be_chance", "worse", "against_verdict")
    return [(each.kind, each.what) for each in registry.audit(others.model).findings if each.kind in kinds]


def two(others: Others, before: dict[str, Any], now: dict[str, Any]) -> None:
    others.version(stage="Archived", **before)
    others.version(stage="Production", **now)


def logged(accuracy: float, rows: int, metric: str = "test_accuracy", count: str = "test_rows") -> dict[str, Any]:
    return {"metrics": {metric: accuracy}, "params": {count: rows}}


# ── by what runs have counted


def test_a_difference_that_may_be_chance_is_found_with_its_interval(registry: Registry, others: Others) -> None:
    two(others, logged(0.86, 1000), logged(0.87, 1000))
    assert about_chance(registry, others) == [
        (
            "may_be_chance",
            "test_accuracy 0.8700 of 1,000 rows against 0.8600 of 1,000 rows of version 1: the difference +0.0100 has "
            "a 95% interval of -0.0200 to +0.0400",
        )
    ]


def test_a_difference_beyond_chance_is_not_mentioned(registry: Registry, others: Others) -> None:
    two(others, logged(0.80, 1000), logged(0.87, 1000))
    assert about_chance(registry, others) == []


def test_a_production_that_is_worse_beyond_chance_is_found(registry: Registry, others: Others) -> None:
    two(others, logged(0.90, 1000), logged(0.80, 1000))
    ((kind, what),) = about_chance(registry, others)
    assert kind == "worse"
    assert "the difference -0.1000" in what


def test_the_archived_version_is_compared_and_not_one_that_never_served(registry: Registry, others: Others) -> None:
    others.version(stage="Archived", **logged(0.80, 1000))
    others.version(**logged(0.87, 1000))
    others.version(alias="champion", **logged(0.87, 1000))
    assert about_chance(registry, others) == []


@pytest.mark.parametrize(
    ("metric", "count"),
    [
        ("accuracy_score", "example_count"),
        ("val_acc", "n_validation"),
        ("holdout.accuracy", "num_test_samples"),
        ("accuracy", "n_test"),
    ],
)
def test_names_that_others_use_are_understood(registry: Registry, others: Others, metric: str, count: str) -> None:
    two(others, logged(0.86, 1000, metric, count), logged(0.87, 1000, metric, count))
    assert [kind for kind, _ in about_chance(registry, others)] == ["may_be_chance"]


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ({}, {}),
        ({"metrics": {"test_accuracy": 0.86}}, {"metrics": {"test_accuracy": 0.87}}),
        (logged(0.86, 1000), {"metrics": {"test_accuracy": 0.87}}),
        (logged(0.86, 1000, "training_accuracy", "n_train"), logged(0.87, 1000, "training_accuracy", "n_train")),
        (logged(0.86, 1000, "balanced_accuracy"), logged(0.87, 1000, "balanced_accuracy")),
        (logged(0.86, 1000, "test_accuracy", "val_rows"), logged(0.87, 1000, "test_accuracy", "val_rows")),
        # Not a share of so many rows: the number is about something else.
        (logged(0.8612, 1000), logged(0.8731, 1000)),
        (logged(0.86, 1000), logged(0.87, 1000, "val_accuracy", "val_rows")),
        ({"metrics": {"test_accuracy": 0.86}, "params": {"test_size": 0.2}}, logged(0.87, 1000)),
    ],
)
def test_where_nothing_allows_to_say_so_nothing_is_said(
    registry: Registry, others: Others, before: dict[str, Any], now: dict[str, Any]
) -> None:
    two(others, before, now)
    assert about_chance(registry, others) == []


@pytest.mark.parametrize(
    ("now", "digests", "kinds"),
    [
        (0.87, ("one", "other"), ["may_be_chance"]),
        # On the same rows ten more may be right without one more being wrong, which would be more than chance.
        (0.87, ("one", "one"), []),
        # Five cannot, however they fall.
        (0.865, ("one", "one"), ["may_be_chance"]),
    ],
)
def test_data_sets_tell_how_many_rows_there_were_and_whether_they_were_the_same(
    registry: Registry, others: Others, now: float, digests: tuple[str, str], kinds: list[str]
) -> None:
    for accuracy, digest, stage in ((0.86, digests[0], "Archived"), (now, digests[1], "Production")):
        run_id = others.run(metrics={"test_accuracy": accuracy})
        others.log_data(run_id, digest, 1000, "test")
        others.log_data(run_id, "train", 4000, "training")
        others.version(run_id, stage=stage)
    assert [kind for kind, _ in about_chance(registry, others)] == kinds


# ── by Retrain's own verdict


def test_a_production_that_the_gate_held_is_found_with_its_reason(world: Make) -> None:
    model = quick(world)
    model.feed(1000)
    model.promote()
    asking_for_gain(model).feed(1000)  # of the same kind: the new one is not better
    cycle, verdict = model.judge()
    assert verdict.outcome == "HOLD"
    promote(cycle, verdict, force="the old one is too slow", by="kim")
    (finding,) = module.audit(model.tracker, "here", models=[model.model]).findings
    assert (finding.severity, finding.version) == ("warning", "2")
    assert finding.kind in ("may_be_chance", "against_verdict")
    assert finding.what.startswith("Retrain's verdict on it was HOLD: ")


# ── the methods


def test_the_interval_is_newcombes() -> None:
    """The examples of his table II, method 10: 56/70 - 48/80, 9/10 - 3/10, 10/10 - 0/20 and 0/10 - 0/20."""
    for (a, m), (b, n), expected in (
        ((56, 70), (48, 80), (0.0524, 0.3339)),
        ((9, 10), (3, 10), (0.1705, 0.8090)),
        ((10, 10), (0, 20), (0.6791, 1.0)),
        ((0, 10), (0, 20), (-0.1611, 0.2775)),
    ):
        assert newcombe(Counted("", a, m, None), Counted("", b, n, None)) == pytest.approx(expected, abs=5e-5)


def test_the_interval_holds_the_truth_19_times_in_20() -> None:
    rng, held, draws = np.random.default_rng(1), 0, 2_000
    for a, b in rng.binomial(400, [0.85, 0.80], size=(draws, 2)):
        low, high = newcombe(Counted("", int(a), 400, None), Counted("", int(b), 400, None))
        held += low <= 0.05 <= high
    assert 0.935 <= held / draws <= 0.965


def test_no_pairing_makes_five_rows_more_than_chance_and_some_pairing_makes_six() -> None:
    for more, expected in ((0, True), (-3, True), (5, True), (6, False)):
        assert may_be_chance_however_paired(Counted("", 860 + more, 1000, "d"), Counted("", 860, 1000, "d")) is expected
    # Rows in favour of the other make p larger, never smaller.
    ps = [binomtest(6 + against, 6 + 2 * against).pvalue for against in range(20)]
    assert ps == sorted(ps)

"""Sums over units, made by PostgreSQL, are those that pandas makes of the same rows."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from retrain.ab import sent
from retrain.ab.units import FEWEST
from tests.core.ab.split_tables import (
    BEGAN,
    NOW,
    OWN,
    PHASES,
    day,
    did,
    fixed,
    in_lists,
    seen,
    shown,
    sums,
    units,
    wanted,
)

WINDOW, BEFORE = timedelta(days=7), timedelta(days=3)
KINDS = {
    "binary": {"kind": "binary"},
    "binary of a value": {"kind": "binary", "outcome": {"value": "value"}},
    "count": {"kind": "count"},
    "count of a value, capped": {"kind": "count", "outcome": {"value": "value"}, "cap": 0.9},
    "amount": {"kind": "amount", "outcome": {"value": "value"}},
    "ratio": {"kind": "ratio", "outcome": {"value": "value", "per": "per"}},
}


def random_rows(seed, size=400):
    """Exposures and outcomes at times of a grid, so that many fall together, on midnight, or on the end of a window."""
    random = np.random.default_rng(seed)

    def times(number, first, last):
        return [day(0, hours=int(each)) for each in random.integers(first * 4, last * 4, number) * 6]

    names = [f"u{each}" for each in random.integers(0, size // 4, size)]
    exposures = [
        *zip(names, random.choice(["production", "staging"], size), times(size, -5, 33), strict=True),
        (None, "staging", day(3)),
        ("u1", None, day(3)),
        ("u2", "staging", None),
    ]
    whose = [f"u{each}" for each in random.integers(0, size // 3, 6 * size)]
    values = [None if each > 2.5 else round(float(each), 2) for each in random.normal(size=6 * size)]
    rows = [
        *zip(
            whose,
            times(6 * size, -20, 33),
            values,
            [float(each) for each in random.integers(0, 4, 6 * size)],
            strict=True,
        ),
        (None, day(3), 1.0, 1.0),
        ("u3", None, 1.0, 1.0),
    ]
    return exposures, rows


def by_pandas(exposures, outcomes, spec, baseline, now=NOW):
    """Return the sums of each phase and arm, as somebody would compute them in a notebook."""
    metric = spec.ab.primary
    exposed = pd.DataFrame(exposures, columns=["unit", "arm", "at"]).dropna()
    exposed = exposed[(exposed["at"] >= BEGAN) & (exposed["at"] < now)].sort_values(["at", "arm"])
    exposed = exposed.groupby("unit", as_index=False).first().rename(columns={"at": "first"})
    exposed["phase"] = (exposed["first"] >= PHASES[1]).astype(int)
    exposed = exposed[exposed["first"] + metric.window <= now].set_index("unit")
    rows = pd.DataFrame(outcomes, columns=["unit", "at", "value", "per"]).dropna(subset=["unit", "at"])
    rows["value"] = rows["value"].fillna(0) if metric.outcome.value else 1.0
    rows = rows.join(exposed[["first"]], on="unit", how="inner")
    after = rows[(rows["at"] >= rows["first"]) & (rows["at"] < rows["first"] + metric.window)]
    before = rows[(rows["at"] >= rows["first"] - (metric.before or timedelta(0))) & (rows["at"] < rows["first"])]
    for part, names in ((after, ("y", "d")), (before, ("x", "z"))):
        value = part.groupby("unit")["value"]
        exposed[names[0]] = (
            value.apply(lambda each: float((each != 0).any())) if metric.kind == "binary" else value.sum()
        )
        exposed[names[1]] = part.groupby("unit")["per"].sum()
    exposed = exposed.fillna(0.0)
    if baseline.cap is not None:
        exposed[["y", "x"]] = exposed[["y", "x"]].clip(upper=baseline.cap)
    found = {}
    for phase, of_phase in exposed.groupby("phase"):
        of_phase["y"] -= baseline.weight * (of_phase["x"] - of_phase["x"].mean())
        of_phase["d"] -= baseline.weight_per * (of_phase["z"] - of_phase["z"].mean())
        if metric.kind != "ratio":
            of_phase["d"] = 1.0
        for arm, part in of_phase.groupby("arm"):
            y, d = part["y"], part["d"]
            found[phase, arm] = [len(part), y.sum(), d.sum(), (y * y).sum(), (d * d).sum(), (y * d).sum()]
    return found


def as_numbers(pairs):
    return {
        (phase, arm): [*getattr(pair, arm).model_dump().values()]
        for phase, pair in enumerate(pairs)
        for arm in ("production", "staging")
    }


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("before", [None, "3d"])
def test_the_sums_are_those_of_pandas(schema, kind, before):
    exposures, outcomes = random_rows(len(kind))
    shown(schema, exposures)
    did(schema, outcomes)
    spec = wanted(**KINDS[kind], **({"before": before} if before else {}))
    capped = {"cap": 1.25} if spec.ab.primary.quantile else {}
    weights = {"weight": 0.4, "weight_per": 0.3 if kind == "ratio" else 0.0} if before else {}
    baseline = fixed(**capped, **weights)

    found = as_numbers(seen(schema, spec, baselines=[baseline]).pairs[0])
    expected = by_pandas(exposures, outcomes, spec, baseline)

    assert found.keys() == expected.keys()
    assert all(each[0] > 5 for each in found.values())
    for each, numbers in expected.items():
        assert found[each] == pytest.approx(numbers, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("at_once", [1, 40, 10_000])
def test_exposures_of_the_ledger_give_the_sums_of_a_table(schema, monkeypatch, at_once):
    monkeypatch.setattr(sent, "AT_ONCE", at_once)
    exposures, outcomes = random_rows(7)
    whole = [each for each in exposures if None not in each]
    shown(schema, [each for each in whole if each[2] >= BEGAN])
    did(schema, outcomes)
    metric = {**KINDS["ratio"], "before": "3d"}
    baselines = [fixed(weight=0.4, weight_per=0.3)]

    table = seen(schema, wanted(**metric), baselines=baselines)
    own = seen(
        schema,
        wanted(exposures=OWN, **metric),
        baselines=baselines,
        exposures=in_lists([each for each in whole if each[2] >= BEGAN], 30),
    )

    assert own.days == table.days
    assert own.counts == table.counts
    for one, other in zip(as_numbers(own.pairs[0]).values(), as_numbers(table.pairs[0]).values(), strict=True):
        assert one == pytest.approx(other, rel=1e-9)


def test_units_are_counted_by_the_day_the_phase_and_the_arm_of_their_first_exposure(schema):
    exposures, _ = random_rows(3)
    shown(schema, exposures)
    did(schema, [])

    found = seen(schema)
    rows = pd.DataFrame(exposures, columns=["unit", "arm", "at"]).dropna()
    rows = rows[(rows["at"] >= BEGAN) & (rows["at"] < NOW)].sort_values(["at", "arm"])
    first = rows.groupby("unit").first()
    days = first.groupby([first["at"].dt.floor("D"), first["at"] >= PHASES[1], "arm"]).size()

    assert {(each.day, each.phase): (each.production, each.staging) for each in found.days} == {
        (at.to_pydatetime(), int(late)): (of_day.get("production", 0), of_day.get("staging", 0))
        for (at, late), of_day in days.groupby(level=[0, 1])
        for of_day in [of_day.droplevel([0, 1])]
    }
    assert found.counts.exposed == len(first)
    assert found.counts.matured == (first["at"] + WINDOW <= NOW).sum()
    assert found.counts.crossed == (rows.groupby("unit")["arm"].nunique() == 2).sum()
    assert found.counts.incomplete == 3


def test_a_unit_that_has_not_matured_does_not_count_and_matures_with_the_last_moment_of_its_window(schema):
    shown(schema, [("a", "staging", day(0)), ("b", "production", day(0, microseconds=1))])
    did(schema, [("a", day(1), 1, 0), ("b", day(1), 1, 0)])

    assert sums(schema, now=day(7)) == {"production": (0, 0, 0), "staging": (1, 1, 1)}


def test_the_window_begins_with_the_exposure_and_ends_before_its_end(schema):
    shown(schema, [("a", "staging", day(1)), ("a", "staging", day(3))])
    moment = timedelta(microseconds=1)
    did(schema, [("a", at, 1, 0) for at in (day(0), day(1) - moment, day(1), day(8) - moment, day(8), day(40))])

    found = seen(schema, wanted(kind="count"))

    assert found.pairs[0][0].staging.y == 2
    assert (found.counts.before, found.counts.late) == (2, 1)


def test_a_unit_seen_in_both_arms_counts_in_its_first_one_and_at_one_moment_in_production(schema):
    shown(
        schema,
        [
            *(("a", "staging", day(1)), ("a", "production", day(2))),
            *(("b", "production", day(1)), ("b", "staging", day(1))),
            *(("c", "staging", day(1)), ("c", "staging", day(1))),
        ],
    )
    did(schema, [])

    found = seen(schema)

    assert [(each.production, each.staging) for each in found.days] == [(1, 2)]
    assert found.counts.crossed == 2


def test_exposures_before_the_test_and_after_the_look_do_not_count(schema):
    moment = timedelta(microseconds=1)
    shown(schema, [("a", "staging", BEGAN - moment), ("b", "staging", BEGAN), ("c", "staging", NOW)])
    did(schema, [])

    assert seen(schema).counts.exposed == 1


def test_a_test_without_any_exposure_has_sums_of_nothing(schema):
    shown(schema, [])
    did(schema, [("a", day(1), 1, 0)])

    for own in (None, OWN):
        found = seen(schema, wanted(exposures=own))
        assert (found.days, found.counts.exposed) == ((), 0)
        assert [pair.staging.units + pair.production.units for pair in found.pairs[0]] == [0, 0]


def test_each_metric_has_sums_of_its_own_in_the_order_of_the_spec(schema):
    shown(schema, [("a", "staging", day(1)), ("b", "staging", day(25))])
    did(schema, [("a", day(2), 5, 0), ("a", day(4), 3, 0), ("a", day(12), 3, 0)])
    guardrails = [
        {"name": "paid", "kind": "count", "window": "2d", "margin": 1.0, "outcome": {"table": "did", "value": "value"}}
    ]

    found = seen(schema, wanted(kind="count", guardrails=guardrails), baselines=[fixed(), fixed("paid")])

    assert [[pair.staging.y for pair in pairs] for pairs in found.pairs] == [[2, 0], [5, 0]]
    assert [[pair.staging.units for pair in pairs] for pairs in found.pairs] == [[1, 0], [1, 1]]
    assert (found.counts.matured, found.counts.late) == (1, 1)


# ── before a test


def history(seed, per_day=200):
    """Exposures and outcomes of three weeks before the test."""
    random = np.random.default_rng(seed)
    exposures, outcomes = [], []
    for number in range(21 * per_day):
        first, name = day(-21 + number // per_day, hours=int(random.integers(0, 24))), f"u{number}"
        exposures += [(name, "all", first), (name, "all", first + timedelta(days=1))]
        taste = random.exponential()
        outcomes += [
            (name, first + timedelta(days=float(random.uniform(-5, 9))), round(float(random.pareto(2) * taste), 3), 1.0)
            for _ in range(random.poisson(taste))
        ]
    return exposures, outcomes


def of_history(exposures, outcomes, spec):
    """Return the values of the units that were exposed from two windows before now to one, as pandas has them."""
    metric = spec.ab.primary
    rows = pd.DataFrame(exposures, columns=["unit", "arm", "at"])
    rows = rows[(rows["at"] >= BEGAN - 2 * metric.window) & (rows["at"] < BEGAN - metric.window)]
    first = rows.groupby("unit")["at"].min()
    done = pd.DataFrame(outcomes, columns=["unit", "at", "value", "per"]).join(first.rename("first"), on="unit")
    done["past"] = done["at"] - done["first"]
    after = done[(done["past"] >= timedelta(0)) & (done["past"] < metric.window)].groupby("unit")
    before = done[(done["past"] >= -BEFORE) & (done["past"] < timedelta(0))].groupby("unit")
    values = {"y": after["value"], "d": after["per"], "x": before["value"], "z": before["per"]}
    return pd.DataFrame({name: each.sum().reindex(first.index).fillna(0.0) for name, each in values.items()})


def test_the_baseline_of_an_amount_is_that_of_units_exposed_two_windows_ago(schema):
    exposures, outcomes = history(1)
    shown(schema, exposures)
    did(schema, outcomes)
    spec = wanted(**KINDS["amount"], before="3d")

    (found,) = units(schema, spec).baselines(BEGAN)
    values = of_history(exposures, outcomes, spec)
    cap = np.quantile(values["y"][values["y"] > 0], 0.99, method="inverted_cdf")
    values[["y", "x"]] = values[["y", "x"]].clip(upper=cap)
    weight = values["y"].cov(values["x"]) / values["x"].var()

    assert found.exposed
    assert found.units == len(values) >= FEWEST
    assert found.cap == pytest.approx(cap)
    assert found.weight == pytest.approx(weight)
    assert found.mean == pytest.approx(values["y"].mean())
    assert found.before == pytest.approx(values["x"].mean())
    assert found.deviation == pytest.approx((values["y"] - weight * values["x"]).std(ddof=0))


def test_the_baseline_of_a_ratio_is_that_of_its_linear_form(schema):
    exposures, outcomes = history(2)
    shown(schema, exposures)
    did(schema, outcomes)
    spec = wanted(**KINDS["ratio"], before="3d")

    (found,) = units(schema, spec).baselines(BEGAN)
    values = of_history(exposures, outcomes, spec)
    weights = [values["y"].cov(values["x"]) / values["x"].var(), values["d"].cov(values["z"]) / values["z"].var()]
    y = values["y"] - weights[0] * (values["x"] - values["x"].mean())
    d = values["d"] - weights[1] * (values["z"] - values["z"].mean())

    assert [found.weight, found.weight_per] == pytest.approx(weights)
    assert found.mean == pytest.approx(values["y"].sum() / values["d"].sum())
    assert found.deviation == pytest.approx((y - found.mean * d).std(ddof=0) / d.mean())
    assert found.cap is None


def test_the_baseline_of_a_binary_metric_counts_the_exposed_units_that_have_no_outcome(schema):
    exposures, outcomes = history(3)
    shown(schema, exposures)
    did(schema, outcomes)
    spec = wanted()

    (found,) = units(schema, spec).baselines(BEGAN)
    share = (of_history(exposures, outcomes, spec)["d"] > 0).mean()

    assert (found.mean, found.weight, found.cap) == (pytest.approx(share), 0.0, None)
    assert found.deviation == pytest.approx(np.sqrt(share * (1 - share)))


@pytest.mark.parametrize("exposures", ["of the ledger", "too few"])
def test_without_exposures_of_before_the_units_are_those_with_an_outcome(schema, exposures):
    few, outcomes = history(4, per_day=FEWEST // 10)
    shown(schema, few)
    did(schema, outcomes)
    spec = wanted(exposures=OWN if exposures == "of the ledger" else None, before="3d", **KINDS["amount"])

    (found,) = units(schema, spec).baselines(BEGAN)
    rows = pd.DataFrame(outcomes, columns=["unit", "at", "value", "per"])
    rows = rows[(rows["at"] >= BEGAN - WINDOW - BEFORE) & (rows["at"] < BEGAN)]
    late = rows["at"] >= BEGAN - WINDOW
    y, x = (
        rows[part].groupby("unit")["value"].sum().reindex(rows["unit"].unique()).fillna(0.0) for part in (late, ~late)
    )
    cap = np.quantile(y[y > 0], 0.99, method="inverted_cdf")
    y, x = y.clip(upper=cap), x.clip(upper=cap)

    assert (found.exposed, found.units, found.cap) == (False, len(y), pytest.approx(cap))
    assert found.weight == pytest.approx(y.cov(x) / x.var())
    assert found.mean == pytest.approx(y.mean())


def test_of_a_binary_metric_whose_table_has_nothing_else_the_mean_of_those_who_are_known_is_1(schema):
    did(schema, [("a", day(-1), 1, 0), ("a", day(-2), 1, 0), ("b", day(-3), 1, 0), ("c", day(-9), 1, 0)])

    (found,) = units(schema, wanted(exposures=OWN)).baselines(BEGAN)

    assert (found.exposed, found.units, found.mean, found.deviation) == (False, 2, 1.0, 0.0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_test_may_begin_before_there_is_any_outcome(schema, kind):
    shown(schema, [(f"u{each}", "all", day(-10)) for each in range(FEWEST)])
    did(schema, [])

    for own, many in ((None, FEWEST), (OWN, 0)):
        (found,) = units(schema, wanted(exposures=own, before="3d", **KINDS[kind])).baselines(BEGAN)
        assert (found.units, found.mean, found.deviation, found.cap, found.weight) == (many, 0.0, 0.0, None, 0.0)


def test_a_value_of_before_that_is_the_same_for_all_has_no_weight(schema):
    did(schema, [(f"u{each}", at, 0.1 if at < day(-7) else each, 0) for each in range(50) for at in (day(-8), day(-1))])

    (found,) = units(schema, wanted(exposures=OWN, before="3d", kind="count", outcome={"value": "value"})).baselines(
        BEGAN
    )

    assert (found.units, found.weight, found.before) == (50, 0.0, pytest.approx(0.1))


def test_rows_with_a_value_of_0_do_not_lower_the_cap(schema):
    did(schema, [(f"u{each}", day(-1), max(0, each - 990), 0) for each in range(1000)])

    (found,) = units(schema, wanted(exposures=OWN, **KINDS["amount"])).baselines(BEGAN)

    assert found.cap == 9.0

"""The report of a cycle: which rows arrived, what was trained, how it was judged, and what changed in Production."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from retrain.messages.texts import found, numbers, what_changed
from retrain.metrics import described
from retrain.quality.drift import MUCH, SOME, Drift
from retrain.records import Check, Freeze, Guard, Outcome, Promotion, SliceScore, Snapshot, Subset, Verdict
from retrain.reports.page import Cell, Links, Page, Part, Picture, Section, Table
from retrain.spec.operation import Mode
from retrain.spec.spec import Spec
from retrain.text import shorten

_MOST_DRIFTED = 10
_MOST_LISTED = 20
_LONGEST_PARAMETERS = 300
"""Characters."""


@dataclass(frozen=True)
class Trained:
    """A candidate as its run in MLflow describes it."""

    name: str
    train_score: float | None
    validation_score: float | None
    params: Mapping[str, str]
    error: str = ""
    """Why it has failed, if it has."""


@dataclass(frozen=True)
class Searched:
    """A search as its candidate's run describes it."""

    name: str
    states: Mapping[str, int]
    """How many of its trials came to which end."""
    given: Sequence[str] = ()
    """Whose parameters were tried first."""
    picture: bytes | None = None
    """As PNG, where it was drawn."""


@dataclass(frozen=True)
class Facts:
    """What is known about one cycle when its report is written."""

    spec: Spec
    snapshot: Snapshot
    verdict: Verdict
    goes_forward: bool = False
    """Whether the verdict may change Production, by itself or by force."""
    candidates: Sequence[Trained] = ()
    searches: Sequence[Searched] = ()
    checks: Sequence[Check] = ()
    drift_summary: str = ""
    """What was compared with what, or why nothing was."""
    drift: Sequence[Drift] = ()
    freeze: Freeze | None = None
    mode: Mode = Mode.ENFORCE
    """That of the spec, or that of a Production that was adopted."""
    observed: Sequence[tuple[datetime, Verdict]] = ()
    """In mode observe: the verdicts since Production last changed, with their times, the newest first."""
    answer: str | None = None
    """What a person decided, as a sentence; None where nobody was asked, or nobody has answered yet."""
    promotion: Promotion | None = None
    """What the verdict led to, once it is applied or superseded."""
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    """`drift`, `later` and `verdict` as PNG, where they were drawn."""
    links: Sequence[tuple[str, str]] = ()
    """Where to see more: the name and the address of each page."""
    rollback: tuple[str, str | None] | None = None
    """Id of the DAG that undoes a promotion, and its address."""


def of_cycle(facts: Facts) -> Page:
    """Return the report: the decision first, then all that it rests on, in the order in which it came."""
    verdict = facts.verdict
    matchup = verdict.matchup
    dry = "dry run, " if matchup.dry_run else ""
    sections = (
        Section("Observed so far", [*_observed(facts)]),
        Section("What arrived", [_arrived(facts.snapshot)]),
        Section("Checks of the data", [*_checks(facts.checks)]),
        Section("Drift", [*_drift(facts)]),
        Section("Candidates", [*_candidates(facts)]),
        Section("Verdict", [*_verdict(facts)]),
        Section("Guards", [_guards(verdict.guards)]),
        Section("Slices", [*_slices(verdict.slices)]),
        Section("Production on later rows", [*_later(facts)]),
        Section("Rolling back", [*_rollback(facts)]),
    )
    return Page(
        f"{matchup.model}: {dry}{verdict.result} {matchup.candidate}",
        [f"{verdict.result}: {verdict.reason}.", _production(facts), Links(facts.links)],
        [section for section in sections if section.parts],
    )


# ── Production


def _production(facts: Facts) -> str:
    """What the verdict has changed in Production, or will change."""
    verdict, matchup = facts.verdict, facts.verdict.matchup
    if facts.promotion is not None:
        # The paragraph above has the verdict's reason already.
        why = facts.promotion.why.removesuffix(verdict.reason).rstrip(":; ")
        return _sentence(what_changed(facts.promotion, why))
    stays = f"Version {matchup.production} stays in Production" if matchup.production else "Production stays empty"
    held = _held(facts)
    if held is not None:
        return _sentence(f"{stays}: {held}" if facts.answer is None else f"{facts.answer} {stays}: {held}")
    if facts.answer is not None:
        return _sentence(facts.answer)
    force = "" if verdict.outcome is Outcome.PROMOTE else f" by force, as the verdict is {verdict.result}"
    if facts.spec.approval is None:
        return f"Version {matchup.version} goes into Production next{force}."
    question = f"a person is asked whether version {matchup.version} takes its place{force}"
    return f"{stays} for now: {question} (Required actions, in Airflow)."


def _held(facts: Facts) -> str | None:
    """Why Production stays as it is, whatever a person decides; None where nothing keeps it."""
    if facts.verdict.matchup.dry_run:
        return "this was a dry run, which registers and promotes nothing"
    if facts.mode is Mode.OBSERVE:
        return (
            "the version in Production was adopted, and is observed until the spec says 'mode: enforce'"
            if facts.spec.mode is None
            else "the spec's mode is observe, so no verdict promotes anything"
        )
    if not facts.goes_forward:
        return f"the verdict is {facts.verdict.result}"
    return None if facts.freeze is None else str(facts.freeze)


def _rollback(facts: Facts) -> Iterator[Part]:
    """How to undo the promotion; nothing where there is no version to go back to."""
    done = facts.promotion
    if done is None or done.from_version is None or done.superseded_at is not None or facts.rollback is None:
        return
    dag_id, address = facts.rollback
    yield (
        f"To take version {done.to_version} out of Production, trigger DAG {dag_id} for {done.model}: it asks why, "
        f"proves that version {done.from_version} loads and scores, puts it back, and tells the team."
    )
    if address:
        yield Links([(f"DAG {dag_id}", address)])


def _observed(facts: Facts) -> Iterator[Part]:
    """What the verdicts would have done since Production last changed."""
    if not facts.observed:
        return
    (newest, _), (oldest, _) = facts.observed[0], facts.observed[-1]
    count = Counter(verdict.outcome for _, verdict in facts.observed)
    each = ", ".join(f"{count[outcome]} {outcome}" for outcome in Outcome)
    yield (
        f'Since Production last changed, from {_moment(oldest)} to {_moment(newest)}: {each}. With "mode: enforce", '
        "the first PROMOTE would have changed Production, and the next verdict would have been made against that."
    )
    rows = [
        (
            _moment(at),
            verdict.result,
            verdict.matchup.candidate,
            "" if verdict.score is None else f"{verdict.score:.4f}",
            "" if verdict.production_score is None else f"{verdict.production_score:.4f}",
        )
        for at, verdict in facts.observed[:_MOST_LISTED]
    ]
    metric = facts.verdict.metric
    yield Table(rows, columns=("judged", "verdict", "candidate", f"its {metric}", "that of Production"))


# ── the data


def _arrived(snapshot: Snapshot) -> Table:
    new = f"{snapshot.new_rows:,}"
    subsets = ", ".join(f"{subset} {count:,}" for subset in Subset if (count := snapshot.subsets.get(subset)))
    rows = [
        ("rows", f"{snapshot.rows:,}"),
        (
            "new rows",
            f"{new} since snapshot {snapshot.after}" if snapshot.after else f"{new}; this is the first snapshot",
        ),
        ("subsets", subsets),
        ("newest label", _moment(snapshot.watermark) if snapshot.watermark else "the source has no label time"),
        ("holdout round", str(snapshot.holdout_round)),
        ("snapshot", snapshot.id),
    ]
    if snapshot.since is not None:
        rows.append(("only rows labelled after", _moment(snapshot.since)))
    return Table(rows)


def _checks(checks: Sequence[Check]) -> Iterator[Part]:
    if not checks:
        yield "The cycle's run holds no results of checks."
        return
    failed = [each for each in checks if not each.passed]
    yield f"{len(failed)} of {len(checks)} checks failed." if failed else f"All {len(checks)} checks passed."
    # The failed checks first: they are what a reader looks for.
    yield Table(
        [(each.name, each.result, found(each)) for each in [*failed, *(each for each in checks if each.passed)]],
        ["check", "result", "found"],
    )


def _drift(facts: Facts) -> Iterator[Part]:
    yield _sentence(facts.drift_summary or "was not measured")
    if not facts.drift:
        return
    by_psi = sorted(facts.drift, key=lambda each: -each.psi)
    shown = by_psi[:_MOST_DRIFTED]
    statistics = {
        "Kolmogorov–Smirnov": [each.ks for each in shown],
        "words never seen before": [each.unseen_words for each in shown],
    }
    some = {name: column for name, column in statistics.items() if any(each is not None for each in column)}
    rows = [
        (each.name, f"{each.psi:.3f}", _moved(each.psi), *(_number(column[place], ".3f") for column in some.values()))
        for place, each in enumerate(shown)
    ]
    yield Table(rows, ["feature", "PSI", "has moved", *some])
    if len(by_psi) > len(shown):
        yield f"These {len(shown)} of {len(by_psi)} have moved most."
    if "drift" in facts.pictures:
        most = by_psi[0]
        alt = (
            f"Bars of the PSI of {len(by_psi)} columns, {most.name} the longest with {most.psi:.3f}; beside them, for "
        )
        alt += "the columns that moved most, the share of rows in each bin: Production's training rows, and rows now."
        yield Picture("drift", alt, facts.pictures["drift"])


def _moved(psi: float) -> str:
    return "little" if psi < SOME else "some" if psi < MUCH else "much"


# ── the models


def _candidates(facts: Facts) -> Iterator[Part]:
    metric = facts.verdict.metric
    sign = described(metric).sign
    known = [each for each in facts.candidates if each.validation_score is not None]
    best = sorted(known, key=lambda each: -sign * (each.validation_score or 0.0))
    rows: list[tuple[Cell, ...]] = [
        (
            each.name,
            _number(each.validation_score),
            _number(each.train_score),
            "yes" if each.name == facts.verdict.matchup.candidate else "",
            shorten(", ".join(f"{name} = {value}" for name, value in each.params.items()), _LONGEST_PARAMETERS),
        )
        for each in best
    ]
    if rows:
        yield "The best one on validation rows is fitted again, on training and validation rows, and judged."
        yield Table(rows, ["candidate", f"{metric}, validation", f"{metric}, training", "judged", "parameters"])
    for each in facts.searches:
        yield from _search(each)
    failed = [(each.name, each.error) for each in facts.candidates if each.error]
    if failed:
        yield "A candidate that has failed could not win."
        yield Table(failed, ["candidate", "failed because"])


def _search(search: Searched) -> Iterator[Part]:
    ends = ", ".join(f"{count:,} {state}" for state, count in sorted(search.states.items()))
    first = f"{' and '.join(search.given)} parameters were tried first." if search.given else ""
    count = sum(search.states.values())
    said = (
        f"{search.name} has searched for its parameters in {count:,} trials ({ends}), which have not met the holdout."
    )
    yield f"{said} {first[:1].upper()}{first[1:]}".strip()
    if search.picture is not None:
        alt = f"Each trial of {search.name} and the best so far, what was tried, and which parameters matter."
        yield Picture(f"study-{search.name}", alt, search.picture)


def _verdict(facts: Facts) -> Iterator[Part]:
    verdict = facts.verdict
    matchup = verdict.matchup
    rows = [
        ("judged", matchup.candidate + (f", version {matchup.version}" if matchup.version else ", not registered")),
        ("against", f"version {matchup.production}" if matchup.production else "nothing: Production was empty"),
        *numbers(verdict),
        ("proof", f"{verdict.proof.replace('_', '-')}: the gain must exceed {verdict.threshold:g}"),
        ("the gate's anchor", _anchor(verdict)),
        ("distinct rows", f"{verdict.clusters:,}"),
    ]
    if verdict.production_score is not None:
        rows.append(("rows right now, wrong before", f"{verdict.wrong_to_right:,}"))
        rows.append(("rows wrong now, right before", f"{verdict.right_to_wrong:,}"))
    if verdict.smallest_gain is not None:
        rows.append(("gain detected with 80% power", f"{verdict.smallest_gain:.4f}"))
    if verdict.overlap:
        rows.append(("left out, because a model had trained on them", f"{verdict.overlap:,} rows"))
    yield Table(rows)
    if "verdict" in facts.pictures:
        yield Picture("verdict", _alt(verdict), facts.pictures["verdict"])


def _anchor(verdict: Verdict) -> str:
    """Which version no chain of promotions may fall behind, and whether this one would take its place."""
    matchup = verdict.matchup
    anchor = matchup.anchor or matchup.production
    if verdict.anchors:
        return "this version, once it is promoted" + (f", in place of version {anchor}" if anchor else "")
    return f"version {anchor}" if anchor else "none"


def _alt(verdict: Verdict) -> str:
    """What the picture of a verdict shows."""
    against = verdict.production_score
    alt = f"{verdict.metric} of the challenger, {_number(verdict.score) or 'unknown'}"
    if against is not None:
        alt += f", and of Production, {_number(against)}, with their difference"
    alt += ", and 95% intervals" if verdict.interval else ""
    return f"{alt}; below, where each model is right and wrong."


def _guards(guards: Sequence[Guard]) -> Table:
    failed = [guard for guard in guards if not guard.passed]
    passed = [guard for guard in guards if guard.passed]
    rows = [(guard.name, _result(guard), guard.says) for guard in [*failed, *passed]]
    return Table(rows, ["guard", "result", "found"])


def _result(guard: Guard) -> str:
    return "passed" if guard.passed else "FAILED" if guard.computed else "NOT COMPUTED"


def _later(facts: Facts) -> Iterator[Part]:
    """How Production has done on rows that were labelled later, up to this verdict."""
    if "later" in facts.pictures:
        alt = (
            f"{described(facts.verdict.metric).words} of each version in Production on later rows, by cohort, with its "
            "95% interval, what was promised, and the promotions"
        )
        yield Picture("later", alt, facts.pictures["later"])


def _slices(slices: Sequence[SliceScore]) -> Iterator[Part]:
    if not slices:
        return
    rows = [
        (
            each.name,
            f"{each.rows:,}",
            _number(each.score),
            _number(each.production_score),
            f"{each.interval[0]:+.4f} to {each.interval[1]:+.4f}" if each.interval else "",
        )
        for each in slices
    ]
    yield Table(rows, ["slice", "rows", "challenger", "Production", "difference, 95%"])


# ── below


def _number(value: float | None, format: str = ".4f") -> str:
    return "" if value is None else f"{value:{format}}"


def _moment(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _sentence(clause: str) -> str:
    return clause[:1].upper() + clause[1:].rstrip(".") + "."

"""The report of a cycle shows what happened in it, and what users wrote is text there."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from retrain.quality.drift import Drift
from retrain.records import Check, Freeze, Guard, Outcome, Promotion, Proof, SliceScore, Snapshot, Subset
from retrain.reports import cycle_report
from retrain.reports.cycle_report import Facts, Searched, Trained
from retrain.reports.page import write_html, write_markdown
from retrain.spec.operation import Approval, Mode
from retrain.spec.parse import parse
from tests.core.messages.test_texts import promotion, verdict

NOON = datetime(2026, 3, 8, 12, tzinfo=UTC)
HOSTILE = '<img src=x onerror=alert(1)> **b** `c` | [d](javascript:alert(1)) & "q" \n# h ' + "자기소개서 분류기 " * 20
PNG = b"\x89PNG\r\n\x1a\n"
SPEC = parse(
    {
        "model": "letters",
        "source": {"table": "rows", "key": "id", "label": "label", "features": ["a"]},
        "candidates": [{"name": "linear", "estimator": "tests.core.toys:logistic", "params": {"columns": ["a"]}}],
        "gate": {"metric": "f1_macro"},
    },
    "letters.yaml",
)
SNAPSHOT = Snapshot(
    id="5" * 64,
    model="letters",
    uri="file:///s",
    watermark=NOON,
    rows=12_000,
    new_rows=4_000,
    after="4" * 64,
    subsets={Subset.GAP: 0, Subset.TRAIN: 7_200, Subset.HOLDOUT: 2_400, Subset.VALIDATION: 2_400},
    holdout_round=2,
)
CHECKS = (
    Check(name="null_share", passed=True, blocks=True, says="nothing is null", count=0),
    Check(name="duplicates", passed=False, blocks=False, says="9 rows occur twice", count=9, keys=("17", "18")),
)
MOVED = tuple(
    Drift(name=name, psi=psi, ks=ks, p_value=ks, bins=("≤ 1", "> 1"), reference=(0.5, 0.5), current=(0.4, 0.6))
    for name, psi, ks in (("a", 0.04, 0.1), ("b", 0.31, 0.4), ("label", 0.12, None))
)
FACTS = Facts(
    spec=SPEC,
    snapshot=SNAPSHOT,
    verdict=verdict(Outcome.PROMOTE, "the gain is more than chance"),
    goes_forward=True,
    candidates=(
        Trained("nearest", 0.99, 0.81, {"estimator": "m:nearest", "k": "5"}),
        Trained("linear", 0.92, 0.9, {"estimator": "m:linear", "C": "0.1"}),
    ),
    checks=CHECKS,
    drift_summary="4,000 new rows beside the 6,000 that version 1 was trained on",
    drift=MOVED,
    pictures={"drift": PNG, "verdict": PNG + b"2"},
    links=(("Cycle in Airflow", "http://airflow.example.org/dags/retrain_letters/runs/7"),),
    rollback=("retrain-rollback", "http://airflow.example.org/dags/retrain-rollback"),
)
APPLIED = promotion("1", "2", applied_at=NOON)


class _Reader(HTMLParser):
    """Reads a page as a browser would: its elements with their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def read(tmp_path: Path) -> Any:
    """Return a function that gives the page of some facts, read as HTML."""

    def read(facts: Facts) -> _Reader:
        return _Reader(write_html(cycle_report.of_cycle(facts), tmp_path).read_text("utf-8"))

    return read


def markdown(facts: Facts, folder: Path) -> str:
    return write_markdown(cycle_report.of_cycle(facts), folder).read_text("utf-8")


def about_production(facts: Facts) -> str:
    """The paragraph about Production."""
    text = cycle_report.of_cycle(facts).parts[1]
    assert isinstance(text, str)
    return text


def _facts(**fields: Any) -> Facts:
    return replace(FACTS, **fields)


def _with_spec(**fields: Any) -> Facts:
    return _facts(spec=SPEC.model_copy(update=fields))


# ── what it shows


def test_it_shows_the_whole_cycle(read: Any) -> None:
    text = read(_facts(promotion=APPLIED)).text
    for each in (
        "letters: PROMOTE linear",
        "PROMOTE: the gain is more than chance.",
        "Version 2 is in Production, in place of version 1, by retrain_letters, run 7: better by 0.1.",
        "12,000",
        f"4,000 since snapshot {'4' * 64}",
        "train 7,200, validation 2,400, holdout 2,400",
        "2026-03-08 12:00 UTC",
        "1 of 2 checks failed.",
        "9 rows occur twice (e.g. key 17, 18)",
        "4,000 new rows beside the 6,000 that version 1 was trained on.",
        "estimator = m:linear, C = 0.1",
        "+0.1000 (95% +0.0500 to +0.1500)",
        "trigger DAG retrain-rollback for letters: it asks why, proves that version 1 loads and scores",
    ):
        assert each in text
    assert "gap 0" not in text


def test_the_best_candidate_the_worst_drift_and_the_failed_check_come_first(tmp_path: Path) -> None:
    text = markdown(FACTS, tmp_path)
    for first, then in (("| linear | 0.9000", "| nearest | 0.8100"), ("| b | 0.310 | much", "| label | 0.120 | some")):
        assert 0 < text.index(first) < text.index(then)
    assert text.index("| duplicates | warned") < text.index("| null\\_share | passed")
    assert "| a | 0.040 | little | 0.100 |" in text


def test_a_search_says_what_became_of_its_trials_and_what_was_tried_first(tmp_path: Path) -> None:
    given = ("Production's", "the last cycle's")
    found = Searched("linear", {"done": 36, "pruned": 3, "failed": 1}, given, PNG + b"3")
    text = markdown(_facts(searches=[found, Searched("other", {"done": 2})]), tmp_path)
    assert (
        "linear has searched for its parameters in 40 trials \\(36 done, 1 failed, 3 pruned\\), which have not met the "
        "holdout. Production's and the last cycle's parameters were tried first."
    ) in text
    assert "other has searched for its parameters in 2 trials \\(2 done\\), which have not met the holdout." in text
    assert "study-linear.png" in text


def test_where_smaller_is_better_the_smallest_candidate_comes_first(tmp_path: Path) -> None:
    judged = FACTS.verdict.model_copy(update={"metric": "log_loss"})
    text = markdown(_facts(verdict=judged), tmp_path)
    assert text.index("| nearest | 0.8100") < text.index("| linear | 0.9000")


def test_guards_and_slices_have_their_numbers(read: Any) -> None:
    judged = FACTS.verdict.model_copy(
        update={
            "guards": (
                Guard(name="rows", passed=True, says="enough"),
                Guard(name="latency", passed=False, says="too slow"),
                Guard(name="calibration", passed=False, says="unknown", computed=False),
            ),
            "slices": (
                SliceScore(name="신입", rows=1_200, score=0.8, production_score=0.7, interval=(-0.01, 0.21)),
                SliceScore(name="경력", rows=3, score=None, production_score=None, interval=None),
            ),
            "proof": Proof.NON_INFERIORITY,
            "threshold": -0.01,
        }
    )
    text = read(_facts(verdict=judged)).text
    for each in ("latencyFAILEDtoo slow", "calibrationNOT COMPUTEDunknown", "rowspassedenough"):
        assert each in text
    assert "신입1,2000.80000.7000-0.0100 to +0.2100" in text
    assert "경력3" in text
    assert "non-inferiority: the gain must exceed -0.01" in text


FROZEN = Freeze(model="letters", why="연말 동결", by="kim", until=NOON)
HELD = verdict(Outcome.HOLD, "it may be chance")
FORCED = promotion("1", "2", applied_at=NOON).model_copy(update={"by": "kim in run 7", "why": "forced: it burns"})


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        (FACTS, "Version 2 goes into Production next."),
        (_facts(promotion=APPLIED), "Version 2 is in Production, in place of version 1, by retrain_letters, run 7: "),
        (_facts(verdict=HELD, promotion=FORCED), "in place of version 1, by kim in run 7: forced: it burns."),
        (
            _facts(promotion=APPLIED.model_copy(update={"why": f"approved by kim; {FACTS.verdict.reason}"})),
            "by retrain_letters, run 7: approved by kim.",
        ),
        (
            _facts(promotion=APPLIED.model_copy(update={"why": FACTS.verdict.reason})),
            "Version 2 is in Production, in place of version 1, by retrain_letters, run 7.",
        ),
        (
            _facts(promotion=promotion("1", "2", superseded_at=NOON)),
            "Version 2 was not put into Production: somebody changed it by hand meanwhile.",
        ),
        (_facts(verdict=HELD, goes_forward=False), "Version 1 stays in Production: the verdict is HOLD."),
        (_facts(verdict=HELD), "Version 2 goes into Production next by force, as the verdict is HOLD."),
        (
            _facts(verdict=verdict(Outcome.PROMOTE, "better", dry_run=True), goes_forward=False),
            "Version 1 stays in Production: this was a dry run, which registers and promotes nothing.",
        ),
        (
            replace(_with_spec(mode=Mode.OBSERVE), mode=Mode.OBSERVE),
            "Version 1 stays in Production: the spec's mode is observe",
        ),
        (
            _facts(mode=Mode.OBSERVE),
            "Version 1 stays in Production: the version in Production was adopted, and is observed until the spec says",
        ),
        (
            _with_spec(approval=Approval()),
            "Version 1 stays in Production for now: a person is asked whether version 2 takes its place",
        ),
        (
            _facts(freeze=FROZEN),
            "Version 1 stays in Production: Production is frozen until 2026-03-08 12:00 UTC by kim: 연말 동결.",
        ),
        (
            replace(_with_spec(approval=Approval()), answer="version 2 does not go into Production, says kim."),
            "Version 2 does not go into Production, says kim.",
        ),
        (
            _facts(answer="version 2 was approved by kim.", freeze=FROZEN),
            "Version 2 was approved by kim. Version 1 stays in Production: Production is frozen until",
        ),
    ],
)
def test_what_changed_in_production_is_what_happened(facts: Facts, says: str) -> None:
    assert says in about_production(facts)


@pytest.mark.parametrize(
    "done",
    [None, promotion(None, "1", applied_at=NOON), promotion("1", "2", superseded_at=NOON)],
    ids=["nothing changed", "a first model", "superseded"],
)
def test_without_a_version_to_go_back_to_no_rollback_is_offered(done: Promotion | None, tmp_path: Path) -> None:
    assert "rollback" not in markdown(_facts(promotion=done), tmp_path)


def test_a_first_model_without_drift_checks_or_pictures_has_a_report_too(read: Any, tmp_path: Path) -> None:
    judged = FACTS.verdict
    judged = judged.model_copy(
        update={
            "matchup": judged.matchup.model_copy(update={"production": None}),
            **dict.fromkeys(("production_score", "difference", "interval", "p_value", "smallest_gain")),
        }
    )
    first = Facts(SPEC, SNAPSHOT.model_copy(update={"after": None, "watermark": None}), judged, goes_forward=True)
    page = read(first)
    assert "Version 2 goes into Production next." in page.text
    assert "4,000; this is the first snapshot" in page.text
    assert "the source has no label time" in page.text
    assert "Was not measured." in page.text
    assert page.all("img") == page.all("ul") == []
    markdown(first, tmp_path)


# ── how it shows it


def test_what_users_wrote_is_not_markup(read: Any, tmp_path: Path) -> None:
    matchup = FACTS.verdict.matchup.model_copy(update={"model": HOSTILE, "candidate": HOSTILE})
    facts = _facts(
        verdict=FACTS.verdict.model_copy(update={"matchup": matchup, "reason": HOSTILE}),
        candidates=(Trained(HOSTILE, 0.9, 0.8, {HOSTILE: HOSTILE}),),
        checks=tuple(each.model_copy(update={"says": HOSTILE, "keys": (HOSTILE,)}) for each in CHECKS),
        drift_summary=HOSTILE,
        drift=tuple(each.model_copy(update={"name": HOSTILE}) for each in MOVED),
        promotion=APPLIED.model_copy(update={"why": HOSTILE, "by": HOSTILE}),
        links=((HOSTILE, "javascript:alert(1)"), (HOSTILE, 'http://x/"><script>')),
    )
    page = read(facts)
    plain = read(_facts(promotion=APPLIED, links=(("a", 'http://x/"><script>'),)))
    known = {tag for tag, _ in plain.elements}
    assert {tag for tag, _ in page.elements} == known
    assert len(page.all("img")) == len(plain.all("img")) == 2
    assert {name for _, attributes in page.elements for name in attributes} == {
        name for _, attributes in plain.elements for name in attributes
    }
    assert next(each["href"] for each in page.all("a")) == 'http://x/"><script>'
    text = markdown(facts, tmp_path)
    assert not re.search(r"(?<!\\)<(?!http)", text)
    assert not re.search(r"(?<!\\)\]\(javascript", text)
    headings = [line for line in text.splitlines() if line.startswith("#")]
    assert len(headings) == 1 + len(cycle_report.of_cycle(facts).sections)
    tables = [re.findall(r"(?<!\\)\|", line) for line in text.splitlines() if line.startswith("| ")]
    assert {len(each) for each in tables} <= {3, 4, 5, 6}


def test_a_name_with_half_a_character_is_written(tmp_path: Path) -> None:
    facts = _facts(drift_summary="a \ud800 b")
    assert "A ? b" in markdown(facts, tmp_path)


def test_the_page_needs_nothing_beside_it(read: Any) -> None:
    page = read(_facts(promotion=APPLIED))
    assert all(str(each["src"]).startswith("data:image/png;base64,") for each in page.all("img"))
    assert not {"script", "link", "iframe", "form", "object", "base"} & {tag for tag, _ in page.elements}
    assert "url(" not in page.text


def test_the_page_can_be_read_without_seeing_it(read: Any) -> None:
    page = read(_facts(promotion=APPLIED))
    assert page.all("html")[0]["lang"] == "en"
    headings = [tag for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert headings == ["h1", *["h2"] * (len(headings) - 1)]
    assert {each.get("scope") for each in page.all("th")} == {"col", "row"}
    drifted, judged = (str(each["alt"]) for each in page.all("img"))
    assert "PSI of 3 columns, b the longest with 0.310" in drifted
    assert "f1_macro of the challenger, 0.9000, and of Production, 0.8000" in judged
    scrolls = page.all("div")
    assert all(each["tabindex"] == "0" and each["role"] == "region" for each in scrolls)
    assert len({each["aria-label"] for each in scrolls}) == len(scrolls)


def test_markdown_has_its_pictures_beside_it(tmp_path: Path) -> None:
    text = markdown(FACTS, tmp_path)
    assert re.findall(r"!\[.+?\]\((.+?)\)", text) == ["drift.png", "verdict.png"]
    assert (tmp_path / "drift.png").read_bytes() == PNG
    assert "[Cycle in Airflow](<http://airflow.example.org/dags/retrain_letters/runs/7>)" in text


def test_the_same_facts_give_the_same_files(tmp_path: Path) -> None:
    made = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        page = cycle_report.of_cycle(FACTS)
        made.append([write(page, folder).read_bytes() for write in (write_html, write_markdown)])
    assert made[0] == made[1]

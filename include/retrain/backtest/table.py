"""A backtest in a terminal: a line for each policy, and what follows from it in sentences."""

import textwrap
from collections.abc import Iterator

from retrain.backtest import words
from retrain.backtest.compared import Compared, ComparedPolicy
from retrain.metrics import described
from retrain.text import columns, padded, printable, shorten

WIDTH = 110
_SHORTEST_NAME, _LONGEST_METRIC = 16, 16
_GAP = "  "


def to_text(compared: Compared) -> str:
    """Return the table and the sentences, at most `WIDTH` columns wide."""
    paragraphs = [*words.sentences(compared)]
    if compared.remarks:
        paragraphs.append("Not replayed: " + "; ".join(compared.remarks) + ".")
    blocks = ["\n".join(_table(compared)), "\n".join(_legend(compared))]
    return "\n\n".join([*blocks, *(_wrapped(printable(each)) for each in paragraphs)])


def _wrapped(text: str, margin: str = "") -> str:
    return "\n".join(textwrap.wrap(text, WIDTH, subsequent_indent=margin, break_on_hyphens=False))


def _table(compared: Compared) -> Iterator[str]:
    metric = shorten(described(compared.metric).words, _LONGEST_METRIC)
    points = ", points" if words.in_points(compared.metric) else ""
    head = [
        ("", "", metric, f"against the spec{points}", "", "", "promoted", "held"),
        ("", "policy", "", "(95% interval)", "trained", "CPU", "(worse)", "(better)"),
    ]
    rows = [*head, *(_row(compared, each) for each in compared.policies)]
    widths = [max(columns(row[column]) for row in rows) for column in range(len(head[0]))]
    room = WIDTH - sum(widths) + widths[1] - len(_GAP) * (len(widths) - 2) - 1
    widths[1] = min(widths[1], max(room, _SHORTEST_NAME))
    for mark, name, *cells in rows:
        fitted = [padded(mark, 1) + " " + padded(_fitted(name, widths[1]), widths[1])]
        fitted += [padded(cell, width, right=True) for cell, width in zip(cells, widths[2:], strict=True)]
        yield _GAP.join(fitted).rstrip()


def _fitted(name: str, width: int) -> str:
    most = width
    while columns(shown := shorten(name, most, keep_end=True)) > width:
        most -= 1
    return shown


def _row(compared: Compared, policy: ComparedPolicy) -> tuple[str, ...]:
    promoted, held = words.counts_of(policy)
    against = policy.against_shipped
    return (
        _mark(compared, policy),
        printable(policy.name),
        words.score(compared.metric, policy.score.value),
        "the spec as it is" if against is None else words.difference(compared.metric, against),
        f"{policy.counts.trainings:,}",
        words.duration(policy.counts.cpu_seconds),
        promoted,
        held,
    )


def _mark(compared: Compared, policy: ComparedPolicy) -> str:
    if policy.name == compared.choice.recommended:
        return ">"
    return "*" if policy.name in compared.choice.best else ""


def _legend(compared: Compared) -> Iterator[str]:
    if compared.choice.recommended is not None:
        yield "> recommended"
    if any(_mark(compared, each) == "*" for each in compared.policies):
        yield "* cannot be told apart from the best, in the time of the choice"
    blocked = [each for each in compared.policies if each.counts.blocked]
    yield _wrapped(
        "(worse), (better): how many of these were surely worse, or better, than Production. "
        + words.explained(compared),
    )
    if blocked:
        cycles = ", ".join(f"{words.quoted(printable(each.name))} {each.counts.blocked:,}" for each in blocked)
        yield _wrapped(f"Cycles that a check has ended before training: {cycles}.")

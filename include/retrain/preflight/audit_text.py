"""An audit as text: for a terminal, and as one HTML page that needs nothing beside it."""

from collections.abc import Iterator
from pathlib import Path

from retrain.preflight.audit_finding import Audit, AuditedModel, Severity, together
from retrain.reports.page import TEMPLATES
from retrain.text import columns, padded, printable

_OPEN = 10
"""Models with faults that are open when the page is."""


def to_text(audit: Audit) -> str:
    """Return a block of lines for each model that has findings, those with faults first, and a sum."""
    found = [model for model in audit.models if model.findings]
    return "\n\n".join(["\n".join(_block(model)) for model in found] + ["\n".join(_sum(audit))])


def _block(model: AuditedModel) -> Iterator[str]:
    groups = together(model.findings)
    production = ", ".join(model.production) or "none"
    yield f"{printable(model.name)}: {_counted(model.versions, 'version')}, Production: {production}"
    subjects = [printable(each.subject) for each in groups]
    width = min(max(map(columns, subjects)), 24)
    margin = " " * (2 + 7 + 2 + width + 2)
    for each, subject in zip(groups, subjects, strict=True):
        severity = str(each.finding.severity).ljust(7)
        yield f"  {severity}  {padded(subject, width)}  {printable(each.finding.what)}"
        yield f"{margin}remedy: {each.finding.remedy}"


def _sum(audit: Audit) -> Iterator[str]:
    clean = sum(not model.findings for model in audit.models)
    counts = ", ".join(_counted(audit.count(severity), severity) for severity in Severity)
    yield f"{_counted(len(audit.models), 'model')}, {_counted(audit.versions, 'version')}: {counts}"
    if audit.findings and clean:
        yield f"{_counted(clean, 'model')} without a finding"


def to_html(audit: Audit) -> str:
    return TEMPLATES.get_template("audit.html.jinja").render(
        title="Audit of a model registry",
        audit=audit,
        severities=[*Severity],
        groups=[(model, together(model.findings)) for model in audit.models if model.findings],
        clean=sorted(model.name for model in audit.models if not model.findings),
        most_open=_OPEN,
    )


def write_html(audit: Audit, path: Path) -> None:
    # UTF-8 cannot hold half a surrogate pair, which a name may hold.
    path.write_text(to_html(audit), encoding="utf-8", errors="replace")


def _counted(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"

"""A comparison as one file to share: HTML that needs nothing beside it, or Markdown with its pictures beside it."""

import base64
import math
import tempfile
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Literal

import pandas as pd
from matplotlib.figure import Figure

from retrain.comparison import HyperparameterAnalysis, analyze_hyperparameters
from retrain.comparison_plots import plot_hyperparameter_impact, plot_metric_comparison
from retrain.figures import save
from retrain.renderings import markdown_text

Format = Literal["html", "markdown"]

_ROWS = 50
_STYLE = """
:root { color-scheme: light dark; }
body { max-width: 72rem; margin: 2rem auto; padding: 0 1rem; font: 16px/1.5 system-ui, sans-serif; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .75rem; border-bottom: 1px solid color-mix(in srgb, currentColor 25%, transparent); }
th { text-align: left; } td.number { text-align: right; }
div { overflow-x: auto; }
img { max-width: 100%; background: white; }
"""


def generate_report(
    compared: pd.DataFrame,
    metric_keys: Sequence[str],
    folder: Path,
    *,
    title: str = "Experiments compared",
    format: Format = "html",
    ascending: Sequence[str] = (),
) -> Path:
    """The best runs, their metrics and what the parameters did to the first metric; gives `report.html` or `report.md`.

    compared: what `compare_experiments` gives. ascending: the metrics of which smaller is better. Raises KeyError for a
    metric that no run has.
    """
    first = metric_keys[0]
    analysis = analyze_hyperparameters(compared, first, ascending=first in ascending)
    ranked = compared.sort_values(f"metric_{first}", ascending=first in ascending, kind="stable", na_position="last")
    figures = {"metrics": plot_metric_comparison(compared, metric_keys, ascending=ascending)}
    if analysis.parameters:
        figures["parameters"] = plot_hyperparameter_impact(compared, analysis)
    tables = {"Runs": _runs(ranked, metric_keys), "Parameters": _parameters(analysis)}
    notes = [*analysis.warnings]
    if len(ranked) > _ROWS:
        notes.append(f"the table holds the best {_ROWS} of {len(ranked):,} runs")
    if analysis.constant:
        notes.append(f"the same in all runs, and left out: {', '.join(analysis.constant)}")
    write = _html if format == "html" else _markdown
    return write(title, notes, tables, figures, folder)


def _runs(ranked: pd.DataFrame, metric_keys: Sequence[str]) -> pd.DataFrame:
    params = [name for name in ranked.columns if name.startswith("param_")]
    shown = ranked[["experiment", "run_name", "run_id", *(f"metric_{name}" for name in metric_keys), *params]]
    return shown.head(_ROWS).rename(columns=lambda name: name.removeprefix("metric_").removeprefix("param_"))


def _parameters(analysis: HyperparameterAnalysis) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "parameter": each.name,
                "runs": each.runs,
                "best value": each.best_value,
                "importance": each.importance,
                "Pearson": each.pearson,
                "Spearman": each.spearman,
            }
            for each in analysis.parameters
        ]
    )


def _html(
    title: str, notes: Sequence[str], tables: dict[str, pd.DataFrame], figures: dict[str, Figure], folder: Path
) -> Path:
    parts = [f"<h1>{escape(title)}</h1>", *(f"<p>{escape(note)}.</p>" for note in notes)]
    with tempfile.TemporaryDirectory() as drawn:
        for name, figure in figures.items():
            picture = base64.b64encode(save(figure, Path(drawn), name).read_bytes()).decode()
            parts.append(f'<img alt="{name}" src="data:image/png;base64,{picture}">')
    for name, rows in tables.items():
        head = "".join(f"<th>{escape(str(column))}</th>" for column in rows.columns)
        body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows.itertuples(index=False, name=None))
        parts.append(f"<h2>{name}</h2><div><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>")
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    path = folder / "report.html"
    body = "".join(parts)
    page = f'<!doctype html><html lang="en"><head>{head}<style>{_STYLE}</style></head><body>{body}</body></html>'
    path.write_text(page, encoding="utf-8")
    return path


def _markdown(
    title: str, notes: Sequence[str], tables: dict[str, pd.DataFrame], figures: dict[str, Figure], folder: Path
) -> Path:
    parts = [f"# {markdown_text(title)}", *(f"{markdown_text(note)}." for note in notes)]
    parts += [f"![{name}]({save(figure, folder, name).name})" for name, figure in figures.items()]
    for name, rows in tables.items():
        lines = [[str(column) for column in rows.columns], ["---"] * len(rows.columns)]
        table = [" | ".join(map(markdown_text, lines[0])), " | ".join(lines[1])]
        table += [" | ".join(markdown_text(_text(cell)) for cell in row) for row in rows.itertuples(index=False)]
        parts += [f"## {name}", "\n".join(f"| {line} |" for line in table)]
    path = folder / "report.md"
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return path


def _cell(value: object) -> str:
    return (
        f'<td class="number">{_text(value)}</td>'
        if isinstance(value, float | int)
        else f"<td>{escape(_text(value))}</td>"
    )


def _text(value: object) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.4g}"
    return "" if value is None else str(value)

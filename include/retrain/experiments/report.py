"""A comparison as one file to share: HTML that needs nothing beside it, or Markdown with its pictures beside it."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pandas as pd

from retrain.experiments.charts import plot_hyperparameter_impact, plot_metric_comparison
from retrain.experiments.compare import HyperparameterAnalysis, analyze_hyperparameters
from retrain.reports.chart_style import save
from retrain.reports.page import Page, Picture, Section, Table, write_html, write_markdown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Format = Literal["html", "markdown"]

_MOST_ROWS = 50


def generate_report(
    compared: pd.DataFrame,
    metric_keys: Sequence[str],
    folder: Path,
    *,
    title: str = "Experiments compared",
    format: Format = "html",
    ascending: Sequence[str] = (),
) -> Path:
    """Write the best runs, their metrics and the parameters' effect on the first metric, and return the file's path.

    It is `report.html` or `report.md` in this folder. compared: what `compare_experiments` returns. ascending: the
    metrics where smaller is better. Raises KeyError for a metric that no run has.
    """
    first = metric_keys[0]
    analysis = analyze_hyperparameters(compared, first, ascending=first in ascending)
    ranked = compared.sort_values(f"metric_{first}", ascending=first in ascending, kind="stable", na_position="last")
    pictures = [
        _picture(
            plot_metric_comparison(compared, metric_keys, ascending=ascending),
            "metrics",
            f"{', '.join(metric_keys)} of the runs, side by side; the best runs are in the table below.",
        )
    ]
    if analysis.parameters:
        alt = f"{first} by the value of each parameter; the best value of each is in the table below."
        pictures.append(_picture(plot_hyperparameter_impact(compared, analysis), "parameters", alt))
    notes = [*analysis.warnings]
    if len(ranked) > _MOST_ROWS:
        notes.append(f"the table holds the best {_MOST_ROWS} of {len(ranked):,} runs")
    if analysis.constant:
        notes.append(f"the same in all runs, and left out: {', '.join(analysis.constant)}")
    tables = {"Runs": _runs(ranked, metric_keys), "Parameters": _parameters(analysis)}
    page = Page(
        title,
        [*(f"{note}." for note in notes), *pictures],
        [Section(name, [_table(frame)]) for name, frame in tables.items() if len(frame)],
    )
    return write_html(page, folder) if format == "html" else write_markdown(page, folder)


def _runs(ranked: pd.DataFrame, metric_keys: Sequence[str]) -> pd.DataFrame:
    params = [name for name in ranked.columns if name.startswith("param_")]
    shown = ranked[["experiment", "run_name", "run_id", *(f"metric_{name}" for name in metric_keys), *params]]
    return shown.head(_MOST_ROWS).rename(columns=lambda name: name.removeprefix("metric_").removeprefix("param_"))


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


def _picture(figure: "Figure", name: str, alt: str) -> Picture:
    with tempfile.TemporaryDirectory(prefix="retrain-") as folder:
        return Picture(name, alt, save(figure, Path(folder), name).read_bytes())


def _table(frame: pd.DataFrame) -> Table:
    return Table([*frame.itertuples(index=False, name=None)], [str(column) for column in frame.columns])

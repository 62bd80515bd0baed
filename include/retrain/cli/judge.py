"""`retrain judge`: the gate for any two files of predictions."""

from pathlib import Path
from typing import Annotated

import typer

from retrain.cli.exits import BAD_USAGE, OF_VERDICT
from retrain.cli.options import print_json
from retrain.errors import RetrainError
from retrain.metrics import METRICS, SCORER, described
from retrain.records import Proof
from retrain.spec.task import Task


def judge(
    challenger: Annotated[
        Path, typer.Argument(metavar="CHALLENGER", help="what may replace Production: .csv or .parquet")
    ],
    production: Annotated[Path, typer.Argument(metavar="PRODUCTION", help="what is in Production: .csv or .parquet")],
    *,
    label: Annotated[str, typer.Option("--label", metavar="COLUMN", help="the truth")],
    prediction: Annotated[
        str, typer.Option("--prediction", metavar="COLUMN", help="what each model predicted")
    ] = "prediction",
    score: Annotated[
        str,
        typer.Option("--score", metavar="COLUMN", help="default: score, or else p_<positive>", show_default=False),
    ] = "score",
    key: Annotated[str | None, typer.Option("--key", metavar="COLUMN", help="identifies a row")] = None,
    group: Annotated[
        str | None,
        typer.Option("--group", metavar="COLUMN", help="rows of one group count as one, e.g. copies of a text"),
    ] = None,
    metric: Annotated[
        str,
        typer.Option("--metric", metavar="METRIC", help=f"{', '.join(METRICS)}, or {SCORER}<a scorer of scikit-learn>"),
    ],
    positive: Annotated[
        str | None, typer.Option("--positive", metavar="CLASS", help="the class that the metric is about")
    ] = None,
    regression: Annotated[
        bool, typer.Option("--regression", help=f"of a metric {SCORER}…: labels are numbers")
    ] = False,
    proof: Annotated[Proof | None, typer.Option("--proof", help=f"default: {Proof.SUPERIORITY}")] = None,
    margin: Annotated[
        float | None, typer.Option("--margin", help="of non_inferiority: the loss that must be excluded")
    ] = None,
    min_gain: Annotated[
        float | None, typer.Option("--min-gain", help="of superiority: the gain that must be exceeded; default: 0")
    ] = None,
    alpha: Annotated[
        float | None, typer.Option("--alpha", help="probability of promoting an equal model; default: 0.05")
    ] = None,
    floor: Annotated[float | None, typer.Option("--floor", help="what the challenger must reach; default: 0.5")] = None,
    ceiling: Annotated[
        float | None, typer.Option("--ceiling", help="what it must stay below, where smaller is better; no default")
    ] = None,
    min_rows: Annotated[int | None, typer.Option("--min-rows", help="fewer are INCONCLUSIVE; default: 100")] = None,
    min_positives: Annotated[
        int | None, typer.Option("--min-positives", help="fewer rows of the class are INCONCLUSIVE; default: 100")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the verdict as JSON")] = False,
) -> int:
    """Judge one file of predictions against another.

    Both hold predictions for the same rows. The gate judges them as it judges two models: may the first one replace
    the second?

    Each file, CSV or Parquet, has the label, a prediction, for metrics of ranking a score (greater: more of the
    positive class) or p_<positive>, and for metrics of probabilities one column p_<class> for each class. The columns
    have the same names in both files. Rows are paired by --key, or else by their position.
    """
    from retrain.gate.files import Columns, gate_of, judge_files, to_text  # pandas, which `migrate` does not need

    options = {
        "metric": metric,
        "positive": positive,
        "proof": proof,
        "margin": margin,
        "min_gain": min_gain,
        "alpha": alpha,
        "floor": floor,
        "ceiling": ceiling,
        "min_rows": min_rows,
        "min_positives": min_positives,
    }
    try:
        gate = gate_of(**{name: value for name, value in options.items() if value is not None})
        task = Task.REGRESSION if regression or described(metric).needs == "numbers" else Task.CLASSIFICATION
        columns = Columns(label, prediction, score, key=key, group=group)
        verdict = judge_files(challenger, production, columns, gate, task)
    except RetrainError as error:
        typer.echo(error, err=True)
        return BAD_USAGE
    if as_json:
        print_json(verdict.to_json())
    else:
        typer.echo(to_text(verdict))
    return OF_VERDICT[verdict.outcome]

"""Writes the estimator file: functions that return an unfitted scikit-learn estimator for the columns of a table."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from retrain.preflight.init_wish import Feature, Use
from retrain.spec.task import Task
from retrain.text import printable

_MOST_BOOSTED, _MOST_CLASSES_BOOSTED = 300, 20
"""Features and classes: with more, boosting takes long, as it grows trees for each class."""
_RARE = 0.2
"""Share of a class below which a row of it counts for more than one of the other class."""
_MANY = 500
"""Rows from which on a term must occur twice."""
WIDTH = 110
"""Characters of a line in what is written."""


@dataclass(frozen=True)
class Recipe:
    """A candidate of the spec."""

    name: str
    function: str
    params: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Columns:
    """What the estimators are for."""

    table: str
    features: tuple[Feature, ...]
    task: Task
    shares: tuple[float, ...]
    """Of each class; empty in a regression."""
    rows: int
    """With a label."""

    def of(self, *uses: Use) -> list[Feature]:
        return [each for each in self.features if each.use in uses]

    @property
    def all_are_numbers(self) -> bool:
        return len(self.of(*_NUMBERS)) == len(self.features)

    @property
    def boosts(self) -> bool:
        """Whether boosted trees are a candidate: they do not take the thousands of columns that a text becomes."""
        few = len(self.features) <= _MOST_BOOSTED and len(self.shares) <= _MOST_CLASSES_BOOSTED
        return few and not self.of(Use.TEXT)


_NUMBERS = (Use.NUMBER, Use.BOOLEAN)


def recipes(columns: Columns) -> list[Recipe]:
    """Return the candidates: two, so that there is a choice."""
    if columns.boosts:
        return [Recipe("linear", "linear"), Recipe("boosted", "boosted")]
    other = ("alpha", 10.0) if columns.task is Task.REGRESSION else ("c", 10.0)
    return [Recipe("linear", "linear"), Recipe(f"linear_{other[0]}10", "linear", (other,))]


def module_text(module: str, columns: Columns) -> str:
    """Return the text of the estimator file. module: its name without .py."""
    functions = [_linear(columns), *([_boosted(columns)] if columns.boosts else [])]
    if not columns.all_are_numbers:
        functions.append(_columns(columns))
    if columns.of(Use.TEXT):
        functions.append(_terms(columns.rows))
    if columns.of(Use.TEXT, Use.CATEGORY):
        functions.append(_FILLED)
    body = "\n\n\n".join(functions)
    head = f"{_head(module, columns.table)}\n\n{_imports(body)}"
    lists = [] if columns.all_are_numbers else ["\n" + "\n".join(_lists(columns))]
    return "\n".join([head, *lists, "", "", body, ""])


def quoted(text: str) -> str:
    """Return a text as Python and JSON write it, in double quotes where that is possible."""
    return repr(text) if '"' in text or "'" in text else f'"{repr(text)[1:-1]}"'


def filled_lines(values: Sequence[str], indent: str) -> Iterator[str]:
    """Yield lines with these values, each followed by a comma."""
    line = indent
    for value in values:
        if len(line) + len(value) >= WIDTH and line.strip():
            yield line.rstrip()
            line = indent
        line += f"{value}, "
    yield line.rstrip()


# ── the lists of columns


def _lists(columns: Columns) -> Iterator[str]:
    named = (
        ("NUMBERS", _NUMBERS, "Numbers and booleans."),
        ("CODES", (Use.CODE,), "Numbers that name something."),
        ("CATEGORIES", (Use.CATEGORY,), "Texts of few different values."),
    )
    for name, uses, comment in named:
        if features := columns.of(*uses):
            yield from _list(name, [quoted(each.name) for each in features], comment, "[]")
    if texts := columns.of(Use.TEXT):
        comment = "What each text is cut into: words, characters within words (char_wb), or characters (char)."
        yield from _list("TEXTS", [f"{quoted(each.name)}: {quoted(each.analyzer)}" for each in texts], comment, "{}")


def _list(name: str, values: Sequence[str], comment: str, brackets: str) -> Iterator[str]:
    yield f"# {comment}"
    line = f"{name} = {brackets[0]}{', '.join(values)}{brackets[1]}"
    yield from [line] if len(line) <= WIDTH else [f"{name} = {brackets[0]}", *filled_lines(values, "    "), brackets[1]]


# ── the functions


def _linear(columns: Columns) -> str:
    if columns.task is Task.REGRESSION:
        argument, what = "alpha: float = 1.0", "Ridge regression. alpha: a greater one smoothes more."
        model = "Ridge(alpha=alpha)"
    else:
        argument, what = (
            "c: float = 1.0",
            "Logistic regression. c: with a greater one it follows the rows more closely.",
        )
        model = f"LogisticRegression(C=c, max_iter=1000{_weight(columns)})"
    lines = [f"def linear({argument}) -> Pipeline:", f'    """{what}"""', f"    model = {model}"]
    if columns.all_are_numbers:
        return "\n".join([*lines, f"    return make_pipeline({_SCALED}, model)"])
    numbers = "numbers" if columns.of(*_NUMBERS) else ""
    lines += [f"    numbers = make_pipeline({_SCALED})"] if numbers else []
    return "\n".join([*lines, f"    return make_pipeline(ColumnTransformer(_columns({numbers})), model)"])


def _boosted(columns: Columns) -> str:
    kind = f"HistGradientBoosting{'Regressor' if columns.task is Task.REGRESSION else 'Classifier'}"
    model = f"{kind}(max_iter=trees, random_state=0{_weight(columns)})"
    what = '    """Gradient-boosted trees, which take empty numbers as they are."""'
    if columns.all_are_numbers:
        return "\n".join([f"def boosted(trees: int = 100) -> {kind}:", what, f"    return {model}"])
    numbers = '"passthrough"' if columns.of(*_NUMBERS) else ""
    lines = ["def boosted(trees: int = 100) -> Pipeline:", what, "    # Trees take no sparse columns."]
    lines.append(f"    columns = ColumnTransformer(_columns({numbers}), sparse_threshold=0)")
    return "\n".join([*lines, f"    return make_pipeline(columns, {model})"])


def _weight(columns: Columns) -> str:
    """Return the argument by which a row of the rarer class counts for more, where there are few of them."""
    return ', class_weight="balanced"' if len(columns.shares) == 2 and min(columns.shares) < _RARE else ""


_SCALED = 'SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler()'


def _columns(columns: Columns) -> str:
    numbers, named = columns.of(*_NUMBERS), columns.of(Use.CODE, Use.CATEGORY)
    lines = [f"def _columns({'numbers: Any' if numbers else ''}) -> list[tuple[str, Any, list[str]]]:"]
    lines.append('    """What makes numbers of each column, by name."""')
    if named:
        lines.append("    # A column for each value; the rare ones share one, with those that come later.")
        lines.append('    named = OneHotEncoder(max_categories=50, handle_unknown="infrequent_if_exist")')
    lines.append("    return [")
    if numbers:
        lines.append('        ("numbers", numbers, NUMBERS),')
    if columns.of(Use.CODE):
        lines.append('        ("codes", named, CODES),')
    if columns.of(Use.CATEGORY):
        lines.append('        ("categories", make_pipeline(*_filled(), named), CATEGORIES),')
    if columns.of(Use.TEXT):
        lines.append('        *((f"text {place}", _terms(TEXTS[name]), [name]) for place, name in enumerate(TEXTS)),')
    return "\n".join([*lines, "    ]"])


def _terms(rows: int) -> str:
    least = 2 if rows >= _MANY else 1
    return f'''def _terms(cut: str) -> Pipeline:
    """Weighs the terms of one text: pairs of words, or up to three characters."""
    longest = 2 if cut == "word" else 3
    terms = TfidfVectorizer(
        analyzer=cut, ngram_range=(1, longest), min_df={least}, max_features=200_000, sublinear_tf=True
    )
    # A vectorizer takes a list of texts, and not a table of one column.
    return make_pipeline(*_filled(), FunctionTransformer(np.ravel), terms)'''


_FILLED = '''def _filled() -> list[SimpleImputer]:
    """Put "" where a text is empty: that is NaN or None, which depends on the version of pandas."""
    how: dict[str, Any] = {"strategy": "constant", "fill_value": "", "keep_empty_features": True}
    return [SimpleImputer(missing_values=empty, **how) for empty in (np.nan, None)]'''

_WHERE = {
    "Any": "from typing import Any",
    "np.": "import numpy as np",
    "ColumnTransformer": "from sklearn.compose",
    "HistGradientBoostingClassifier": "from sklearn.ensemble",
    "HistGradientBoostingRegressor": "from sklearn.ensemble",
    "TfidfVectorizer": "from sklearn.feature_extraction.text",
    "SimpleImputer": "from sklearn.impute",
    "LogisticRegression": "from sklearn.linear_model",
    "Ridge": "from sklearn.linear_model",
    "Pipeline": "from sklearn.pipeline",
    "make_pipeline": "from sklearn.pipeline",
    "FunctionTransformer": "from sklearn.preprocessing",
    "OneHotEncoder": "from sklearn.preprocessing",
    "StandardScaler": "from sklearn.preprocessing",
}


def _imports(body: str) -> str:
    """Return the imports of the names that the functions use."""
    of_module = dict[str, list[str]]()
    for name, where in _WHERE.items():
        if re.search(rf"\b{re.escape(name)}" + (r"\b" if name[-1].isalpha() else ""), body):
            of_module.setdefault(where, []).append(name)
    lines = list[str]()
    for where, names in of_module.items():
        lines.append(f"{where} import {', '.join(names)}" if where.startswith("from sklearn") else where)
        if where.startswith("from typing"):
            lines.append("")
    return "\n".join(lines)


def _head(module: str, table: str) -> str:
    table = printable(table).replace("\\", "/").replace('"', "'")
    return (
        f'"""Candidates for a model of the table {table}, written by `retrain init`. They are yours: change them.\n\n'
        f"The spec names them as `{module}:linear`. Each function returns an estimator that is not fitted; its\n"
        "arguments are the `params` of the candidate. A boolean arrives as 0.0 or 1.0, an empty number as NaN.\n"
        '"""'
    )

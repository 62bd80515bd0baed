"""A column of texts, however it comes, as a list of `str`."""

import math
from typing import Any

from sklearn.base import TransformerMixin


class TakesTexts(TransformerMixin):  # type: ignore[misc]
    """A transformer of one column of texts."""

    def __sklearn_tags__(self) -> Any:
        """Say that it takes texts."""
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        return tags


def texts(column: Any, of: str) -> list[str]:
    """Return the texts of a list, an array, a Series, a column of Arrow's, or a table with exactly one column.

    of: who asks, for errors. Raises ValueError for a text that is missing, and for whatever is no text.
    """
    if isinstance(column, str | bytes):
        raise ValueError(f"{of}: takes many texts, and got one {type(column).__name__}; put it into a list")
    found = _listed(column, of)
    if {*map(type, found)} <= {str}:
        return found
    return [_text(value, number, of) for number, value in enumerate(found)]


def _listed(column: Any, of: str) -> list[Any]:
    shape: tuple[int, ...] = getattr(column, "shape", (0,))
    if len(shape) == 2:
        if shape[1] != 1:
            raise ValueError(
                f"{of}: takes one column of texts, and got {shape[1]}; choose it, for example with ColumnTransformer"
            )
        column = column.iloc[:, 0] if hasattr(column, "iloc") else column[:, 0]
    elif len(shape) != 1:
        raise ValueError(f"{of}: takes one column of texts, and got an array of {len(shape)} dimensions")
    for name in ("to_pylist", "tolist"):  # Arrow's; NumPy's and pandas'
        if hasattr(column, name):
            return list(getattr(column, name)())
    try:
        return list(column)
    except TypeError as error:
        raise ValueError(f"{of}: takes a column of texts, and got {type(column).__name__}") from error


def _text(value: Any, number: int, of: str) -> str:
    if isinstance(value, str):
        return str(value)  # of a type of its own, such as NumPy's
    is_nan = isinstance(value, float) and math.isnan(value)
    if value is None or is_nan or type(value).__name__ in ("NAType", "NaTType"):  # pandas' two, without pandas
        raise ValueError(f"{of}: text {number} is missing ({value!r}); fill in '' or leave the row out")
    raise ValueError(f"{of}: text {number} is no text but {type(value).__name__}: {value!r:.40}; make it a str")

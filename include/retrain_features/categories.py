"""Columns of text as pandas' categories, which boosters learn as they are."""

from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import is_numeric_dtype
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted, validate_data


class Categories(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Columns of text become pandas' categories; each has the levels that it had when this was fitted, in sorted order.

    A level that only comes later is missing, as a NULL is. Columns of numbers and booleans pass, as numbers. A column
    that was empty when this was fitted has the level of the empty text.

    Parameters
    ----------
    columns : list of names, optional
        Which columns become categories; by default those that are neither numbers nor booleans. A number that is named
        here is a level as text: `3` for 3 and 3.0.
    missing : str, optional
        The level of what is missing, for an estimator that takes no missing category, such as CatBoost's.

    Attributes
    ----------
    levels_ : dict of lists of str
        The levels of each column that becomes categories, by its name.
    n_features_in_ : int
    feature_names_in_ : array of shape (columns,), where it was fitted on a DataFrame

    """

    def __init__(self, *, columns: list[str] | None = None, missing: str | None = None) -> None:
        self.columns = columns
        self.missing = missing

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: N803, ARG002
        """Learn the levels of the columns of a DataFrame. Raises ValueError where it lacks one that is named."""
        self._check()
        rows = self._table(X, reset=True)
        chosen = [each for each in rows if not is_numeric_dtype(rows[each])] if self.columns is None else self.columns
        lacking = [each for each in chosen if each not in rows.columns]
        if lacking:
            raise ValueError(f"Categories: there is no column {lacking[0]!r}; name some of {[*rows.columns]}")
        self.levels_ = {each: self._levels(rows[each]) for each in chosen}
        return self

    def transform(self, X: Any) -> pd.DataFrame:  # noqa: N803
        """Return the same columns, of shape (rows, columns).

        Raises ValueError for other columns than it was fitted on, and for a text where it has seen numbers.
        """
        check_is_fitted(self, "levels_")
        rows = self._table(X, reset=False).copy(deep=False)
        for name in rows:
            if name in self.levels_:
                rows[name] = self._coded(rows[name], self.levels_[name])
            elif not is_numeric_dtype(rows[name]):  # as a NULL alone comes, in a request for one row
                rows[name] = rows[name].astype(np.float64)
        return rows

    def __sklearn_tags__(self) -> Any:
        """Say that it takes texts, categories and what is missing."""
        tags = super().__sklearn_tags__()
        tags.input_tags.string = tags.input_tags.categorical = tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = []  # a DataFrame has one for each column
        return tags

    def _check(self) -> None:
        """Raise ValueError for a parameter that has no meaning."""
        if self.columns is not None and not isinstance(self.columns, list | tuple):
            raise ValueError(f"Categories: columns is {self.columns!r}, but must be a list of names")
        if self.missing is not None and not isinstance(self.missing, str):
            raise ValueError(f"Categories: missing is {self.missing!r}, but must be a text")

    def _table(self, given: Any, *, reset: bool) -> pd.DataFrame:
        if not isinstance(given, pd.DataFrame):
            given = check_array(given, dtype=None, ensure_all_finite=False, estimator=self)
        validate_data(self, given, reset=reset, skip_check_array=True)
        return given if isinstance(given, pd.DataFrame) else pd.DataFrame(given)

    def _levels(self, column: "pd.Series[Any]") -> list[str]:
        found = {each for each in _texts(column) if each is not None}
        if self.missing is not None:
            found.add(self.missing)
        return sorted(found) or [""]  # XGBoost takes no category without levels

    def _coded(self, column: "pd.Series[Any]", levels: list[str]) -> pd.Categorical:
        index = pd.Index(levels, dtype=object)
        codes = index.get_indexer(pd.Index(_texts(column), dtype=object))
        if self.missing is not None:
            codes[codes < 0] = levels.index(self.missing)
        return pd.Categorical.from_codes(codes, categories=index)


def _texts(column: "pd.Series[Any]") -> NDArray[np.object_]:
    """Return the text of each value, and None where there is none. Shape (n,)."""
    places, values = pd.factorize(column)
    found = np.array([*map(_text, values), None], dtype=object)
    return found[places]  # what is missing has the place -1, that of None


def _text(value: Any) -> str:
    if isinstance(value, float | np.floating):
        return str(int(value)) if float(value).is_integer() else repr(float(value))
    if isinstance(value, bool | np.bool_):
        return str(int(value))  # booleans reach an estimator as numbers
    return str(value)

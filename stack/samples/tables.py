"""The tables of the specs that come with Retrain, in the source database of a stack."""

from contextlib import closing
from typing import TYPE_CHECKING

import pandas as pd
import psycopg2

from stack import feed
from stack.samples import cover_letters

if TYPE_CHECKING:  # containers load these tables as well, without a local stack
    from stack.local import Running


def load(stack: "Running") -> None:
    load_into(stack.dsn("source"))


def load_into(dsn: str) -> None:
    """Load each table that is not there yet. `reviews` is empty: its rows are the user's."""
    with closing(psycopg2.connect(dsn)) as connection:
        for table, rows, key, index in (
            ("cover_letters", first_letters, "letter_id", "reviewed_at"),
            ("breast_cancer", tumours, "sample_id", None),
            ("reviews", no_reviews, "review_id", "written_on"),
        ):
            if not feed.exists(connection, table):
                feed.load(connection, table, rows(), key=key, index=index)


def first_letters() -> pd.DataFrame:
    return cover_letters.generate(3_000, seed=1)


def second_letters() -> pd.DataFrame:
    """Later letters, with other subjects and deeds: the first model's knowledge is worth less."""
    return cover_letters.generate(4_000, seed=2, first=3_001, new_words=0.8)


def tumours() -> pd.DataFrame:
    """scikit-learn's breast cancer table, in columns that need no quotes."""
    from sklearn.datasets import load_breast_cancer  # an import of two seconds that only this table needs

    found = load_breast_cancer(as_frame=True)
    table: pd.DataFrame = found.data.rename(columns=lambda name: name.replace(" ", "_"))
    table.insert(0, "sample_id", range(1, len(table) + 1))
    return table.assign(diagnosis=found.target.map(dict(enumerate(found.target_names))))


def no_reviews() -> pd.DataFrame:
    """The columns, without rows."""
    types = {"review_id": "int64", "written_on": "datetime64[us]", "rating": "int64", "text": "object"}
    return pd.DataFrame({column: pd.Series(dtype=type_) for column, type_ in types.items()})

"""The tables of the specs that come with Retrain, in the source database of a stack."""

from contextlib import closing

import pandas as pd
import psycopg2

from stack import feed
from stack.local import Running
from stack.samples import cover_letters


def load(stack: Running) -> list[str]:
    """Load each table that is not there yet; their names. `reviews` is empty: its rows are the user's."""
    with closing(psycopg2.connect(stack.dsn("source"))) as connection:
        made = []
        if not feed.exists(connection, "cover_letters"):
            feed.load(connection, "cover_letters", first_letters(), key="letter_id", index="reviewed_at")
            made.append("cover_letters")
        if not feed.exists(connection, "breast_cancer"):
            feed.load(connection, "breast_cancer", tumours(), key="sample_id")
            made.append("breast_cancer")
        if not feed.exists(connection, "reviews"):
            feed.load(connection, "reviews", _NO_REVIEWS, key="review_id", index="written_on")
            made.append("reviews")
    return made


def first_letters() -> pd.DataFrame:
    return cover_letters.generate(3_000, seed=1)


def second_letters() -> pd.DataFrame:
    """Later ones, in which applicants write of other things: what the first model knows is worth less."""
    return cover_letters.generate(4_000, seed=2, first=3_001, new_words=0.8)


def tumours() -> pd.DataFrame:
    """scikit-learn's breast cancer table, in columns that need no quotes."""
    from sklearn.datasets import load_breast_cancer  # two seconds that only this table needs

    found = load_breast_cancer(as_frame=True)
    table: pd.DataFrame = found.data.rename(columns=lambda name: name.replace(" ", "_"))
    table.insert(0, "sample_id", range(1, len(table) + 1))
    return table.assign(diagnosis=found.target.map(dict(enumerate(found.target_names))))


_NO_REVIEWS = pd.DataFrame(
    {
        "review_id": pd.Series(dtype="int64"),
        "written_on": pd.Series(dtype="datetime64[us]"),
        "rating": pd.Series(dtype="int64"),
        "text": pd.Series(dtype=object),
    }
)

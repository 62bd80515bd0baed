"""Candidates trained as a cycle trains them, against plain scikit-learn and LightGBM in one process.

text    100,000 film reviews, four candidates: LinearSVC, LogisticRegression, ComplementNB and SGD, each as a run in
        MLflow, in a process of its own, with the estimators of the samples; against the same four as plain pipelines on
        TfidfVectorizer (char_wb, 2 to 4), fitted one after the other. The macro F1 of both is that of 20,000 other
        reviews.
table   1,000,000 rows of 30 numbers, LightGBM: the candidate's run against the same LightGBM fitted on the same rows
stream  300,000 texts, hashed, in batches: the greatest memory of the process that fits, against that for 100,000

Ours is the wall time of the verb `prepare` and of each `train`, one after the other: reading the snapshot, fitting,
scoring, writing and uploading the models are in it. Plain is the fit alone. The first training of all is not counted:
it begins cold.
Memory is the greatest of a process that fits. Without RETRAIN_TEST_REVIEWS the texts are the sample's cover letters.
"""

import argparse
import json
import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psycopg2
from lightgbm import LGBMClassifier
from psycopg2.extras import execute_values
from simulation import histories
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.metrics import f1_score
from sklearn.naive_bayes import ComplementNB
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from retrain.cycle.context import Cycle
from retrain.cycle.prepare import prepare
from retrain.cycle.snapshot import take_snapshot
from retrain.cycle.train import train
from retrain.ledger.ledger import Ledger
from retrain.records import Snapshot, Subset
from retrain.snapshots.store import SnapshotStore
from retrain.source.table import Source
from retrain.spec.parse import parse
from retrain.spec.spec import Spec
from retrain.tracker.client import ExperimentTracker
from stack import local
from stack.local import Running

AIM_TEXT, AIM_F1, AIM_TABLE, AIM_STREAM = 5.0, 0.003, 1.15, 1.2
TEXTS = {
    "svm": ("hashed_svm", {"c": 0.2}, lambda: LinearSVC(C=0.2, random_state=0)),
    "logistic": ("logistic", {"shortest": 2, "longest": 4}, LogisticRegression),
    "bayes": ("naive_bayes", {"shortest": 2, "longest": 4}, lambda: ComplementNB(alpha=0.3)),
    "sgd": ("sgd", {"shortest": 2}, lambda: SGDClassifier(loss="log_loss", alpha=1e-5, average=True, random_state=0)),
}
TREES = {"n_estimators": 300, "num_leaves": 63, "verbose": -1}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="a tenth of the rows")
    parts = 10 if parser.parse_args().short else 1
    with tempfile.TemporaryDirectory(prefix="retrain-") as folder, local.running(Path(folder) / "home") as stack:
        text = _text(stack, 120_000 // parts)
        table = _table(stack, 1_000_000 // parts)
        stream = _streamed(stack, [100_000 // parts, 300_000 // parts])
    print(
        json.dumps(
            {
                "name": "training",
                "text": text,
                "table": table,
                "stream": stream,
                "aim": {"text": AIM_TEXT, "f1_within": AIM_F1, "table": AIM_TABLE, "stream": AIM_STREAM},
                "met": {
                    "text": text["times_faster"] >= AIM_TEXT,
                    "f1_within": text["f1_lost"] <= AIM_F1,
                    "table": table["times_slower"] <= AIM_TABLE,
                    "stream": stream["times_memory"] <= AIM_STREAM,
                },
            }
        )
    )


# ── text


def _text(stack: Running, count: int) -> dict[str, Any]:
    rows = _texts(count).sample(count, random_state=0).reset_index(drop=True)
    learnt, others = rows.head(count * 5 // 6), rows.tail(count // 6)
    candidates = [
        {"name": name, "estimator": f"estimators.text:{function}", "params": {"column": "text", **params}}
        for name, (function, params, _) in TEXTS.items()
    ]
    model = _Model(stack, "texts", candidates, learnt)
    model.train("svm", "cold")
    ours, plain, scores = model.prepare("measured"), 0.0, {}
    print(f"what they have in common: {ours:.1f} s", flush=True)
    known = model.snapshots.read(model.snapshot, [Subset.TRAIN])
    for name in TEXTS:
        seconds, memory, fitted = model.train(name, "measured")
        found = _in_a_process(_plain_text, known.features["text"], known.labels, others["text"], name)
        ours, plain = ours + seconds, plain + found["seconds"]
        own = f1_score(others["label"], fitted.predict(others[["text"]]), average="macro")
        theirs = f1_score(others["label"], found["predicted"], average="macro")
        scores[name] = {"ours": round(own, 4), "plain": round(theirs, 4)}
        print(
            f"{name}: {seconds:.1f} s and {memory:.2f} GB, macro F1 {own:.4f}; plain {found['seconds']:.1f} s and "
            f"{found['memory']:.2f} GB, {theirs:.4f}",
            flush=True,
        )
    return {
        "rows": len(known),
        "ours_seconds": round(ours, 1),
        "plain_seconds": round(plain, 1),
        "times_faster": round(plain / ours, 2),
        "f1": scores,
        "f1_lost": round(max(each["plain"] - each["ours"] for each in scores.values()), 4),
    }


def _texts(count: int) -> pd.DataFrame:
    reviews = os.environ.get("RETRAIN_TEST_REVIEWS")
    if reviews:
        rows = histories.reviews(Path(reviews)).rename(columns={"review_id": "id", "sentiment": "label"})
    else:
        rows = histories.letters(count).rename(columns={"letter": "text", "result": "label"})
        rows["id"] = np.arange(len(rows))
    return rows.drop_duplicates("text")[["id", "text", "label"]]


def _plain_text(texts: pd.Series, labels: pd.Series, others: pd.Series, name: str) -> dict[str, Any]:
    begun = time.monotonic()
    model = make_pipeline(
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), min_df=2, sublinear_tf=True), TEXTS[name][2]()
    )
    model.fit(texts, labels)
    seconds = time.monotonic() - begun
    return {"seconds": seconds, "predicted": model.predict(others), "memory": _memory()}


# ── a table


def _table(stack: Running, count: int) -> dict[str, Any]:
    dice = np.random.default_rng(0)
    numbers = dice.normal(size=(count, 30))
    good = numbers[:, 0] * numbers[:, 1] + numbers[:, 2:8].sum(axis=1) / 2 + dice.normal(size=count) > 0
    rows = pd.DataFrame(numbers.round(6), columns=[f"x{place}" for place in range(30)])
    rows = rows.assign(id=np.arange(count), label=np.where(good, "yes", "no"))
    candidate = {"name": "boosted", "estimator": "simulation.boosters:boosted", "params": TREES}
    model = _Model(stack, "numbers", [candidate], rows)
    seconds, memory, _ = model.train("boosted", "measured")
    known = model.snapshots.read(model.snapshot, [Subset.TRAIN])
    found = _in_a_process(_plain_table, known.features, known.labels)
    print(
        f"table: {seconds:.1f} s and {memory:.2f} GB; plain {found['seconds']:.1f} s and {found['memory']:.2f} GB",
        flush=True,
    )
    return {
        "rows": len(known),
        "ours_seconds": round(seconds, 1),
        "plain_seconds": round(found["seconds"], 1),
        "times_slower": round(seconds / found["seconds"], 3),
    }


def _plain_table(features: pd.DataFrame, labels: pd.Series) -> dict[str, Any]:
    begun = time.monotonic()
    LGBMClassifier(**TREES).fit(features, labels)
    return {"seconds": time.monotonic() - begun, "memory": _memory()}


# ── a stream


def _streamed(stack: Running, counts: list[int]) -> dict[str, Any]:
    texts = _texts(counts[-1])
    candidate = {"name": "hashed", "estimator": "simulation.streams:hashed", "stream": True}
    memory = []
    for count in counts:
        # There are fewer reviews than that: the same ones again, with a number.
        rows = texts.iloc[np.arange(count) % len(texts)].reset_index(drop=True)
        rows["text"] += (" " + pd.Series(np.arange(count) // len(texts)).astype(str)).where(
            rows.index >= len(texts), ""
        )
        rows["id"] = np.arange(count)
        seconds, gigabytes, _ = _Model(stack, f"stream_{count}", [candidate], rows).train("hashed", "measured")
        print(f"stream: {count:,} rows: {seconds:.1f} s and {gigabytes:.2f} GB", flush=True)
        memory.append(gigabytes)
    return {
        "rows": counts,
        "memory_gb": [round(each, 3) for each in memory],
        "times_memory": round(memory[1] / memory[0], 3),
    }


# ── all


class _Model:
    """A model on the stack, with a snapshot of all of its rows."""

    def __init__(self, stack: Running, name: str, candidates: list[dict[str, Any]], rows: pd.DataFrame) -> None:
        features = [column for column in rows if column not in ("id", "label")]
        kind = "text" if rows[features[0]].dtype.kind not in "fi" else "float8"
        with closing(psycopg2.connect(stack.dsn("source"))) as connection, connection, connection.cursor() as cursor:
            columns = ", ".join(f"{each} {kind}" for each in features)
            cursor.execute(f"CREATE TABLE {name} (id bigint PRIMARY KEY, label text, {columns})")
            values = rows[["id", "label", *features]].astype(object).itertuples(index=False, name=None)
            execute_values(cursor, f"INSERT INTO {name} VALUES %s", values, page_size=10_000)  # noqa: S608 - names of this file
        source = {"table": name, "key": "id", "label": "label", "features": features}
        self.spec: Spec = parse({"model": name, "source": source, "candidates": candidates}, f"{name}.yaml")
        self.snapshots = SnapshotStore(stack.env["RETRAIN_SNAPSHOTS_URI"])
        self._ledger = Ledger(lambda: psycopg2.connect(stack.dsn("retrain")))
        self._tracker = ExperimentTracker(stack.mlflow_url)
        self.snapshot: Snapshot = take_snapshot(
            self.spec,
            source=Source(lambda: psycopg2.connect(stack.dsn("source")), self.spec.source),
            snapshots=self.snapshots,
            ledger=self._ledger,
        )

    def _cycle(self, run_id: str) -> Cycle:
        return Cycle(self.spec, f"retrain_{self.spec.model}", run_id, self.snapshots, self._ledger, self._tracker)

    def prepare(self, run_id: str) -> float:
        """Return seconds."""
        begun = time.monotonic()
        prepare(self._cycle(run_id), self.snapshot, [each.name for each in self.spec.candidates])
        return time.monotonic() - begun

    def train(self, candidate: str, run_id: str) -> tuple[float, float, Any]:
        """Return seconds, gigabytes, and the model as a later cycle would load it."""
        cycle = self._cycle(run_id)
        begun = time.monotonic()
        trained = train(cycle, self.snapshot, candidate)
        seconds = time.monotonic() - begun
        memory = self._tracker.get_run(trained.run_id).metrics["fit_memory_mib"] * (1 << 20) / 1e9
        model = self._tracker.load_model(trained.id, self._ledger.model_file(trained.id).digest, self.spec.trust)
        return seconds, memory, model


def _in_a_process(function: Callable[..., dict[str, Any]], *given: Any) -> dict[str, Any]:
    """Call a function in a new process, whose memory is then its own."""
    context = multiprocessing.get_context("spawn")
    receives, sends = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(sends, function, given), daemon=True)
    process.start()
    sends.close()  # so that its end is seen where it gives no answer
    found: dict[str, Any] = receives.recv()
    process.join()
    return found


def _answer(sends: Any, function: Callable[..., dict[str, Any]], given: tuple[Any, ...]) -> None:
    sends.send(function(*given))


def _memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


if __name__ == "__main__":
    main()

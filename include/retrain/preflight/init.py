"""`retrain init`: a spec and its estimators, written from what a table holds."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unicodedata import normalize

from retrain.preflight import init_files
from retrain.preflight.init_decide import decide
from retrain.preflight.init_estimators import module_text
from retrain.preflight.init_spec import Decided, spec_text
from retrain.preflight.init_wish import Wish
from retrain.source.catalogue import Catalogue, TableName, catalogue
from retrain.source.sample import Connect
from retrain.spec.parse import parse
from retrain.spec.yaml_text import data_in
from retrain.text import sql_name

_A_SPEC_NAMES = re.compile(r"[^.\s]+")


@dataclass(frozen=True)
class Made:
    """What was decided, and the files that say it."""

    decided: Decided
    spec: Path
    estimators: Path
    query: Path | None
    sampled: int
    """Rows that were looked at."""

    def to_json(self) -> dict[str, Any]:
        it = self.decided
        return {
            "model": it.model,
            "table": it.table,
            "files": {
                "spec": str(self.spec),
                "estimators": str(self.estimators),
                "query": None if self.query is None else str(self.query),
            },
            "python_path": str(self.estimators.parent),
            "rows": {
                "labelled": it.counts.labelled,
                "unlabelled": it.counts.unlabelled,
                "exact": it.counts.exact,
                "sampled": self.sampled,
            },
            "task": str(it.label.task),
            "task_why": it.label.why,
            "key": it.key.name,
            "label": it.label.name,
            "classes": [{"label": name, "rows": rows} for name, rows in it.label.classes],
            "label_time": None if it.time is None else it.time.name,
            "label_time_why": it.no_time if it.time is None else it.time.why,
            "features": [{"name": each.name, "use": str(each.use), "missing": each.missing} for each in it.features],
            "left_out": [{"name": each.name, "why": each.why} for each in it.left_out],
            "candidates": [each.name for each in it.recipes],
            "metric": it.judging.metric,
            "limit": it.judging.limit,
            "threshold_rows": it.judging.rows,
            "notes": list(it.notes),
        }


def init(wish: Wish, connect: Connect, into: Path) -> Made:
    """Look at the table and write a spec and an estimator file into a folder.

    The table is only read, and of a large one only some rows. Raises RetrainError, before it writes anything, where no
    model can be made of the table, or a file exists already.
    """
    name = TableName.of(wish.table)
    model = wish.model if wish.model is not None else name.table
    _refuse_bad_name(model)
    stem = init_files.stem_of(model)
    module = init_files.module_of(stem)
    query = None if all(map(_A_SPEC_NAMES.fullmatch, name.parts)) else f"{stem}.sql"
    # The spec comes last: it is never there without the function that it names.
    names = [f"{module}.py", *([query] if query else []), f"{stem}.yaml"]
    init_files.refuse_existing(into, names)
    table = catalogue(connect, name)
    decided, columns, sampled = decide(table, wish, connect, model=model, query=query)
    spec = spec_text(decided, module)
    parse(data_in(spec), names[-1])  # a spec that is not good is a fault of ours: nothing is written
    select = ["\n".join(_query(decided, table))] if query else []
    texts = [module_text(module, columns), *select, spec]
    init_files.write(into, dict(zip(names, texts, strict=True)))
    return Made(decided, into / names[-1], into / names[0], into / query if query else None, sampled)


def _refuse_bad_name(model: str) -> None:
    """Raise SpecError where a spec cannot name the model so."""
    source = {"table": "t", "key": "k", "label": "l", "features": ["f"]}
    parse({"model": model, "source": source, "candidates": [{"name": "c", "estimator": "m:f"}]}, "--model")


def _query(decided: Decided, table: Catalogue) -> Iterator[str]:
    """Yield the lines of a query file: it names the table, which a spec cannot."""
    time = [decided.time.name] if decided.time else []
    named = {decided.key.name, decided.label.name, *time, *(each.name for each in decided.features)}
    yield "SELECT"
    yield ",\n".join(f"    {sql_name(each.name)}" for each in table.columns if normalize("NFC", each.name) in named)
    yield f"FROM {table.name.quoted}"
    yield ""

"""One way to be wrong, and the installation in which it is tried."""

import json
import os
import re
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from retrain.preflight import doctor
from retrain.preflight.probe import Found, State
from retrain.spec import files as spec_files
from retrain.tracker.client import ExperimentTracker
from tests.airflow.conftest import Model

Steps = Generator[None, list[Found], None]
"""Breaks something, is sent what was found, and follows the remedy."""


@dataclass
class Stack:
    """An installation that is well but for its DAGs, which a way that is about them makes known to Airflow."""

    toy: Model
    tracker: ExperimentTracker
    folder: Path
    patch: pytest.MonkeyPatch
    request: pytest.FixtureRequest

    def found(self, part: str, about: str = "") -> list[Found]:
        """Look at a part, and return what is not good. about: how the name of what was found begins."""
        found = [*doctor.look(spec_files.folder(), part.replace("MODEL", self.toy.name))]
        begin = (about or part).replace("MODEL", self.toy.name)
        if begin == "Airflow":
            begin = ""
        return [each for each in found if each.state is not State.GOOD and each.about.startswith(begin)]

    def fixture(self, name: str) -> Any:
        return self.request.getfixturevalue(name)

    def sql(self, *statements: str) -> None:
        with self.toy.database.connect() as session, session.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def spec(self, **fields: Any) -> None:
        """Write fields into the spec; those of `source` beside the ones that are there, without those that are None."""
        data = yaml.safe_load(self.toy.path.read_text())
        source = data["source"] | fields.pop("source", {})
        data |= fields | {"source": {name: value for name, value in source.items() if value is not None}}
        self.toy.path.write_text(yaml.safe_dump(data, allow_unicode=True))

    def query(self, columns: str) -> None:
        """Let the spec read these columns by a query file."""
        self.toy.path.with_name("rows.sql").write_text(f"SELECT {columns} FROM rows")
        self.spec(source={"table": None, "query": "rows.sql"})

    def variable(self, name: str) -> str:
        """Return the text of a connection."""
        return os.environ[f"AIRFLOW_CONN_{name.upper()}"]

    def connection(self, name: str, **fields: Any) -> None:
        """Write fields into a connection."""
        variable = f"AIRFLOW_CONN_{name.upper()}"
        self.patch.setenv(variable, json.dumps(json.loads(os.environ.get(variable, "{}")) | fields))


@dataclass(frozen=True)
class Way:
    kind: str
    """Heading in docs/doctor.md."""
    wrong: str
    says: str
    """What doctor says of it, with … for what differs, and MODEL for the model's name."""
    remedy: str
    """What doctor says to do, in the same form."""
    state: State
    part: str
    """What is looked at."""
    about: str
    """How the name of what is found begins; that of the part where it is empty."""
    steps: Callable[[Stack], Steps]

    def fits(self, found: Found, model: str) -> bool:
        return (
            found.state is self.state
            and _pattern(self.says, model).search(found.says) is not None
            and _pattern(self.remedy, model).search(found.remedy) is not None
        )


def way(
    kind: str, wrong: str, says: str, remedy: str, *, part: str, about: str = "", state: State = State.FAIL
) -> Callable[[Callable[[Stack], Steps]], Way]:
    def made(steps: Callable[[Stack], Steps]) -> Way:
        return Way(kind, wrong, says, remedy, state, part, about, steps)

    return made


def _pattern(text: str, model: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, text.replace("MODEL", model).split("…"))))


HEAD = ("what is wrong", "", "`doctor` says", "its remedy")


def table(ways: tuple[Way, ...]) -> str:
    """Return the ways as docs/doctor.md has them: a table for each kind."""
    lines: list[str] = []
    for kind in dict.fromkeys(each.kind for each in ways):
        lines += [f"### {kind}", "", f"| {' | '.join(HEAD)} |", "|---|---|---|---|"]
        lines += [
            f"| {each.wrong} | {each.state} | {each.says} | {each.remedy} |" for each in ways if each.kind == kind
        ]
        lines.append("")
    return "\n".join(lines)

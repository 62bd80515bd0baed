"""A line of a shell, held to the programs that it names, without being run."""

import re
import shlex
import tomllib
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import typer
import yaml

from retrain.cli.main import app
from stack.home import PROJECT

RETRAIN: Any = typer.main.get_command(app)
_MAKEFILE = (PROJECT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z]+):", _MAKEFILE, re.MULTILINE))
_SERVICES = yaml.safe_load((PROJECT / "docker-compose.yml").read_text(encoding="utf-8"))["services"].keys()
_DISTRIBUTION = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def commands(text: str) -> Iterator[list[str]]:
    """Yield the words of each command: lines that end in a backslash are one, comments are none."""
    for line in text.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line.removeprefix("$ "), posix=True, punctuation_chars=True)
        lexer.whitespace_split, lexer.commenters = True, "#"
        command: list[str] = []
        for word in lexer:
            if set(word) <= set("|&;"):
                yield command
                command = []
            else:
                command.append(word)
        if command:
            yield command


def look_at(words: list[str]) -> None:
    """Raise where a command names what is not there."""
    while "=" in words[0]:  # a variable before the command
        words = words[1:]
    program, *rest = words
    _LOOKS[program](rest)


def _retrain(words: list[str]) -> None:
    context = RETRAIN.make_context("retrain", [words[0]], resilient_parsing=True)
    command = RETRAIN.get_command(context, words[0])
    assert command is not None, f"there is no command {words[0]}"
    given = words[1 : words.index(">") if ">" in words else None]
    command.make_context(words[0], given, parent=context)  # raises for an option, an argument or a value that is none


def _make(words: list[str]) -> None:
    target, *variables = words
    assert target in TARGETS
    for variable in variables:
        assert f"$({variable.partition('=')[0]})" in _MAKEFILE, variable


def _docker(words: list[str]) -> None:
    if words[0] == "build":
        return
    assert words[0] == "compose"
    scaled = [words[place + 1].partition("=")[0] for place, word in enumerate(words) if word == "--scale"]
    verb = next(place for place, word in enumerate(words) if word in ("up", "run", "exec", "ps"))
    service = (
        next((word for word in words[verb + 1 :] if not word.startswith("-")), None) if words[verb] != "up" else None
    )
    assert {*scaled, *filter(None, [service])} <= _SERVICES


def _pip(words: list[str]) -> None:
    assert words[0] == "install"
    found = re.fullmatch(r"([\w-]+)(?:\[([\w,]+)\])?", words[1])
    assert found
    assert found[1] == _DISTRIBUTION["name"]
    assert set(filter(None, (found[2] or "").split(","))) <= _DISTRIBUTION["optional-dependencies"].keys()


def _files(words: list[str]) -> None:
    """What `-f` names is there."""
    for option, path in pairwise(words):
        assert option != "-f" or (PROJECT / path).exists(), path


def _nothing(words: list[str]) -> None:
    """It is somebody else's program, and names nothing of ours."""


_LOOKS: dict[str, Callable[[list[str]], None]] = {
    "retrain": _retrain,
    "make": _make,
    "docker": _docker,
    "pip": _pip,
    "kubectl": _files,
    "helm": _files,
    "psql": _nothing,
    "less": _nothing,
}

"""docs/reference/commands.md: every command of `retrain` with its options and exit statuses, from the commands."""

import inspect
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any, NamedTuple, get_args, get_origin

from typer.models import ArgumentInfo, OptionInfo

from reference.page import page, prose, table
from retrain.cli import exits
from retrain.cli.main import COMMANDS, name_of


class Parameter(NamedTuple):
    """An argument or an option, as the annotation of the command's parameter declares it."""

    kind: Any
    declared: ArgumentInfo | OptionInfo
    given: Any

    @property
    def is_argument(self) -> bool:
        return isinstance(self.declared, ArgumentInfo)

    @property
    def is_required(self) -> bool:
        return self.given is inspect.Parameter.empty and self.declared.default_factory is None

    @property
    def shown(self) -> str:
        """What a person types."""
        # In an annotation Typer takes the first name for a default, and sorts it out later.
        names = (self.declared.default, *(self.declared.param_decls or ()))
        option = next((each for each in names if isinstance(each, str) and each.startswith("--")), "")
        return f"{option} {self._value}".strip()

    @property
    def _value(self) -> str:
        if self.declared.metavar:
            return self.declared.metavar.removeprefix("[").partition("]")[0] + ("…" if self._repeats else "")
        kinds = [self.kind, *get_args(self.kind)]
        choices = next((each for each in kinds if isinstance(each, type) and issubclass(each, Enum)), None)
        if choices is not None:
            return "|".join(each.value for each in choices)
        return "" if self.kind is bool else "NUMBER"

    @property
    def _repeats(self) -> bool:
        return self.is_argument and any(get_origin(each) is list for each in (self.kind, *get_args(self.kind)))

    @property
    def default(self) -> str:
        if self.declared.envvar:
            return f"`{self.declared.envvar}`"
        if self.is_required:
            return "required"
        if isinstance(self.declared.show_default, str):
            said = self.declared.show_default
            return f"`{said}`" if said.isupper() else said
        if self.kind is bool or self.given in (None, "", inspect.Parameter.empty) or not self.declared.show_default:
            return "–"
        return f"`{self.given}`"


def text() -> str:
    intro = (
        "`retrain COMMAND --help` says the same. Each line of an error names what is at fault, and what to do. A "
        "command that is about a model uses the Airflow connections that its spec names, and no Airflow has to run."
    )
    return page("The commands", [intro, *_exits(), *(part for command in COMMANDS for part in _command(command))])


def _exits() -> Iterator[str]:
    yield "## Exit statuses"
    names = [name_of(command) for command in COMMANDS]
    statuses = sorted({status for name in names for status in exits.of_command(name)})
    rows = (
        [
            f"[{name}](#retrain-{name.replace(' ', '-')})",
            *(exits.of_command(name).get(status, "–") for status in statuses),
        ]
        for name in names
    )
    yield table(["command", *map(str, statuses)], rows)


def _command(command: Callable[..., object]) -> Iterator[str]:
    yield f"## `retrain {name_of(command)}`"
    yield from map(prose, (inspect.getdoc(command) or "").split("\n\n"))
    parameters = sorted(_parameters(command), key=lambda each: not each.is_argument)
    yield table(
        ["argument or option", "default", "meaning"],
        ([f"`{each.shown}`", each.default, prose(each.declared.help or "")] for each in parameters),
    )


def _parameters(command: Callable[..., object]) -> Iterator[Parameter]:
    for each in inspect.signature(command, eval_str=True).parameters.values():
        kind, declared = get_args(each.annotation)  # of an Annotated
        yield Parameter(kind, declared, each.default)

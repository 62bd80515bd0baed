"""The command `retrain`: what an engineer runs from a shell, without Airflow. One file for each of its commands.

A command imports what takes seconds inside its function, so that the others start without it.
"""

from collections.abc import Callable

import typer

from retrain.cli import exits
from retrain.cli.ab import ab_plan
from retrain.cli.adopt import adopt
from retrain.cli.audit import audit
from retrain.cli.backtest import backtest
from retrain.cli.check import check
from retrain.cli.doctor import doctor
from retrain.cli.forget import forget
from retrain.cli.freeze import freeze
from retrain.cli.history import history
from retrain.cli.init import init
from retrain.cli.judge import judge
from retrain.cli.migrate import migrate
from retrain.cli.prepare import prepare
from retrain.cli.production_at import production_at
from retrain.cli.promote import promote
from retrain.cli.reconcile import reconcile
from retrain.cli.report import report
from retrain.cli.reproduce import reproduce
from retrain.cli.rollback import rollback
from retrain.cli.train import train
from retrain.errors import RetrainError

_UsageError: type[Exception] = next(kind for kind in reversed(typer.BadParameter.__mro__) if hasattr(kind, "show"))
"""The root of Typer's usage errors: its name, and where it stands, differ between versions."""

COMMANDS = (
    doctor,
    init,
    check,
    audit,
    backtest,
    ab_plan,
    train,
    judge,
    history,
    production_at,
    adopt,
    promote,
    rollback,
    freeze,
    reconcile,
    report,
    reproduce,
    forget,
    migrate,
)


GROUPS = {"ab": "Split tests: docs/ab.md."}
"""Commands of two words, by the first one, and what they are about."""


def name_of(command: Callable[..., object]) -> str:
    """Return what a person types for it: one word, or a group and a word."""
    group, _, rest = command.__name__.partition("_")
    if group in GROUPS:
        return f"{group} {rest.replace('_', '-')}"
    return command.__name__.replace("_", "-")


_HELP = {"help_option_names": ["-h", "--help"]}
app = typer.Typer(
    help="Keeps a model in Production good as its data grows.",
    subcommand_metavar=f"{{{'|'.join(dict.fromkeys(name_of(command).split()[0] for command in COMMANDS))}}} [ARGS]...",
    context_settings=_HELP,
    rich_markup_mode=None,  # a value of the user's such as "[x]" is text
    pretty_exceptions_enable=False,
)
groups = {
    name: typer.Typer(help=about, context_settings=_HELP, rich_markup_mode=None) for name, about in GROUPS.items()
}
for name, group in groups.items():
    app.add_typer(group, name=name)
for command in COMMANDS:
    *first, word = name_of(command).split()
    in_group = groups[first[0]] if first else app
    in_group.command(word, epilog=exits.sentence(name_of(command)))(command)
app.command("prepare", hidden=True)(prepare)


def main() -> int:
    """Run the command that `sys.argv` names and return its exit status."""
    try:
        return int(app(prog_name="retrain", standalone_mode=False) or exits.GOOD)
    except _UsageError as error:
        error.show()  # type: ignore[attr-defined]
        return exits.BAD_USAGE
    except RetrainError as error:
        typer.echo(error, err=True)
        return exits.FAULT

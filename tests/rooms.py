"""The rooms of the house: what each package holds, and what it may import. docs/architecture.md prints this table."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

ALL_ABOVE = "all above"


@dataclass(frozen=True)
class Room:
    name: str
    """As the table shows it."""
    holds: str
    modules: Sequence[str]
    """Patterns of the modules that are in it."""
    may_import: str = ""
    """Names of rooms above, or of one module in one, between commas; `ALL_ABOVE` for every room."""
    libraries: str = ""
    """Packages that are not in the standard library, between commas."""

    def may(self) -> set[str]:
        return set(listed(self.may_import))

    def has(self, module: str) -> bool:
        return any(fnmatchcase(module, pattern) for pattern in self.modules)


def listed(names: str) -> list[str]:
    return [name.strip() for name in names.split(",") if name.strip()]


def core(name: str, holds: str, may_import: str = "", libraries: str = "") -> Room:
    return Room(name, holds, (f"retrain.{name}", f"retrain.{name}.*"), may_import, libraries)


def guest(name: str, holds: str, may_import: str = "", libraries: str = "") -> Room:
    """A room of `retrain_airflow`."""
    module = f"retrain_airflow.{name}"
    return Room(f"retrain_airflow.{name}", holds, (module, f"{module}.*"), may_import, libraries)


# From the ground up. Each may import the rooms that it names, the ground and its own modules, and nothing else.
GROUND = Room(
    "errors, topics, records, later, arms, metrics, labels, text, extras",
    "the error tree; what the team is told about; the records that steps hand to each other, and those of what "
    "comes after promotion and of split tests; what a gate can measure; "
    "how a class is written; how text is shortened and quoted; which extras are installed",
    tuple(
        f"retrain{name}"
        for name in ("", ".errors", ".topics", ".records", ".later", ".arms", ".metrics", ".labels", ".text", ".extras")
    ),
    libraries="pydantic",
)
FILES = "retrain_airflow/*.py"
ROOMS = (
    GROUND,
    Room(
        "retrain_features",
        "steps that travel with a model; knows nothing of `retrain`",
        ("retrain_features", "retrain_features.*"),
        libraries="fsspec, numpy, pandas, scipy, sklearn",
    ),
    core(
        "spec",
        "one strict, frozen value per YAML file, cut by section",
        libraries="croniter, pydantic, pydantic_core, yaml",
    ),
    core(
        "gate",
        "may this challenger replace Production; `judge` is pure",
        "spec",
        "numpy, pandas, pydantic, sklearn",
    ),
    core(
        "source",
        "reads the user's table, and never writes to it",
        "spec",
        "adbc_driver_manager, adbc_driver_postgresql, psycopg2, pyarrow",
    ),
    core(
        "snapshots",
        "rows as they were: stored, split, compared with those before",
        "spec, source.columns",
        "fsspec, numpy, pandas, pyarrow",
    ),
    core("quality", "checks of rows before training, and drift", "spec, source.columns", "numpy, pyarrow, scipy"),
    core(
        "models",
        "builds, fits, loads and questions models; knows no tracker and no ledger",
        "spec, gate, retrain_features",
        "cloudpickle, joblib, lightgbm, mlflow, numpy, onnxruntime, pandas, psutil, pyarrow, scipy, skl2onnx, "
        "sklearn, skops, xgboost, yaml",
    ),
    core(
        "tracker",
        "all of MLflow's server, and alone asks it",
        "models.files, models.saved_model",
        "mlflow, numpy, pandas, pydantic, requests, sklearn",
    ),
    core(
        "ledger",
        "our own tables, and alone writes them; no words for people",
        "spec, snapshots.split, gate.anchor",
        "psycopg2",
    ),
    core(
        "messages",
        "what the team is told, and how it is carried there",
        "spec, snapshots.split, ledger",
        "httpx, jinja2",
    ),
    core(
        "production",
        "changes of Production: applied, asked for, adopted",
        "spec, source, snapshots, ledger, tracker, models, messages",
    ),
    core(
        "live",
        "what Production and Staging do on labels that came later",
        "spec, gate, source, snapshots, quality, ledger, tracker, models, messages, production",
        "numpy, pandas, pyarrow, scipy, sklearn",
    ),
    core(
        "tuning",
        "spaces of parameters and the studies that look through them, by Optuna",
        "spec, models, ledger",
        "optuna, psycopg2, sqlalchemy",
    ),
    core(
        "reports",
        "pages and pictures of a cycle and of a split test, kept on a run",
        "spec, gate, quality, tracker, messages, tuning.study",
        "jinja2, matplotlib, numpy, pylopdf_fonts_ko",
    ),
    core(
        "ab",
        "split tests of Staging and Production on what units did; `decide` is pure",
        "spec, source, snapshots, ledger, tracker, messages, production, reports",
        "numpy, scipy, psycopg2",
    ),
    core(
        "experiments",
        "runs side by side: compared, drawn, reported",
        "tracker, reports",
        "matplotlib, numpy, optuna, pandas",
    ),
    core("cycle", "the verbs of a cycle, one file each", ALL_ABOVE, "numpy, pandas, pyarrow, threadpoolctl"),
    core(
        "backtest",
        "policies over a model's own history, decided by the verbs",
        ALL_ABOVE,
        "croniter, joblib, jinja2, matplotlib, numpy, pandas, psutil, pyarrow, scipy, sklearn, threadpoolctl",
    ),
    core(
        "preflight",
        "finds before the first run whatever the first run would, and what is wrong in a registry that others keep",
        ALL_ABOVE,
        "numpy, packaging, pandas, scipy, yaml",
    ),
    core("cli", "the command line, one file a command", ALL_ABOVE, "psutil, psycopg2, sklearn, typer"),
    guest("compat", "what differs between the versions of Airflow", "", "airflow"),
    guest(
        "hooks",
        "Airflow's connections as what the core works with",
        "spec, source, snapshots, ledger, tracker, ab, cycle, retrain_airflow.compat",
        "airflow, psycopg2",
    ),
    guest(
        "probes",
        "what `retrain doctor` looks at in Airflow itself",
        "spec, preflight, retrain_airflow.compat, retrain_airflow.hooks",
        "airflow, sqlalchemy",
    ),
    guest("metrics", "what monitoring sees, through Airflow's own metrics", "retrain_airflow.compat", "airflow"),
    guest(
        "triggers",
        "waits for rows, and for messages that are due, in the triggerer",
        "spec, ledger, cycle, retrain_airflow.hooks, retrain_airflow.metrics",
        "airflow, psycopg2",
    ),
    Room(
        FILES,
        "what tasks share: assets, channels, inputs, links, approval; and what Airflow and Celery load at their start",
        tuple(
            f"retrain_airflow{name}"
            for name in (
                *("", ".approval", ".assets", ".celery_worker", ".channels"),
                *(".inputs", ".links", ".preload", ".provider", ".sending", ".side_by_side", ".task_faults"),
            )
        ),
        "spec, ledger, messages, cycle, retrain_airflow.compat, retrain_airflow.hooks, retrain_airflow.metrics, "
        "retrain_airflow.triggers",
        "airflow, apprise",
    ),
    guest(
        "notifiers",
        "tell the team of failures and recoveries",
        f"messages, retrain_airflow.compat, retrain_airflow.hooks, {FILES}",
        "airflow",
    ),
    guest(
        "operators",
        "one verb each: hook in, noun out",
        "spec, messages, live, ab, cycle, retrain_airflow.compat, retrain_airflow.hooks, retrain_airflow.metrics, "
        f"{FILES}",
        "airflow",
    ),
    guest(
        "sensors",
        "the verb `sense`, which waits",
        f"production, cycle, retrain_airflow.compat, retrain_airflow.hooks, retrain_airflow.metrics, {FILES}",
        "airflow",
    ),
    guest(
        "api",
        "the tracker, the registry and the cycles over HTTP",
        "spec, source, snapshots, ledger, tracker, production, reports.kept, live.assignment, cycle, "
        f"retrain_airflow.compat, "
        f"retrain_airflow.hooks, {FILES}",
        "airflow, fastapi, httpx, pydantic, starlette",
    ),
    guest("dashboard", "pages inside Airflow's own; asks the API alone", "", "fastapi, starlette"),
    guest(
        "dags",
        "makes the DAGs of a folder of specs",
        "spec, retrain_airflow.compat, retrain_airflow.notifiers, retrain_airflow.operators, retrain_airflow.sensors, "
        f"{FILES}",
        "airflow, kubernetes",
    ),
    Room(
        "dags, plugin",
        "a few lines that Airflow finds: all DAGs, and the plugin",
        ("dags.*", "retrain_airflow.plugin"),
        f"retrain_airflow.compat, retrain_airflow.dags, retrain_airflow.api, retrain_airflow.dashboard, {FILES}",
        "airflow",
    ),
    Room(
        "estimators",
        "the functions of the samples; a user's stand anywhere on the path",
        ("estimators", "estimators.*"),
        "retrain_features",
        libraries="numpy, pandas, scipy, sklearn",
    ),
)


def room_of(module: str) -> Room | None:
    """The room that the module is in; one that is named goes before a pattern."""
    found = [room for room in ROOMS if room.has(module)]
    exact = [room for room in found if module in room.modules]
    return next(iter(exact or found), None)


def fault(module: str, imported: str) -> str | None:
    """Why `module` may not import `imported`; None where it may."""
    room, target = room_of(module), room_of(imported)
    if room is None:
        return f"{module}: is in no room of the table"
    library = imported.partition(".")[0]
    if target is None:
        known = library in sys.stdlib_module_names or library in listed(room.libraries)
        return None if known else f"{module} ({room.name}): may not import {imported}"
    if target in (room, GROUND):
        return None
    above = ROOMS.index(target) < ROOMS.index(room)
    named = room.may() & {ALL_ABOVE, target.name, imported.removeprefix("retrain.")}
    return None if above and named else f"{module} ({room.name}): may not import {imported} ({target.name})"

"""The place for snapshots."""

from functools import partial

from tests.airflow.doctor_ways.way import Stack, Steps, way

_snapshots = partial(way, "Place for snapshots", part="snapshots")
_NAME = "RETRAIN_SNAPSHOTS_URI"


def _good(stack: Stack) -> None:
    stack.patch.setenv(_NAME, (stack.folder / "good").as_uri())


@_snapshots("none is named", "RETRAIN_SNAPSHOTS_URI is not set", "set it to e.g. file:///var/retrain/snapshots")
def unset(stack: Stack) -> Steps:
    stack.patch.delenv(_NAME)
    yield
    _good(stack)


@_snapshots(
    "a file cannot be written there",
    "file://…: a file cannot be written there: …",
    "let this machine's login do so, or set RETRAIN_SNAPSHOTS_URI to another place",
)
def not_writable(stack: Stack) -> Steps:
    (stack.folder / "file").write_text("")
    stack.patch.setenv(_NAME, (stack.folder / "file" / "below").as_uri())
    yield
    _good(stack)


@_snapshots(
    "no package here reads such an address", "ftps://…: is not a place for snapshots: …", "use e.g. file:///var/retrain"
)
def no_such_scheme(stack: Stack) -> Steps:
    stack.patch.setenv(_NAME, "ftps://files.example.org/retrain")
    yield
    _good(stack)


@_snapshots(
    "its address holds a login",
    "RETRAIN_SNAPSHOTS_URI: has a login in its address…",
    "give it to the store's own variables, such as AWS_ACCESS_KEY_ID",
)
def login(stack: Stack) -> Steps:
    stack.patch.setenv(_NAME, "s3://key:secret@bucket/retrain")
    yield
    _good(stack)

"""What an MLflow registry has wrong that others keep. It is read, and nothing is changed, there or anywhere else."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Lock
from typing import TypeVar

from retrain.errors import NoAnswerError, RetrainError
from retrain.preflight.audit_chance import of_chance
from retrain.preflight.audit_files import VersionFiles
from retrain.preflight.audit_finding import Audit, AuditedModel, AuditFinding
from retrain.preflight.audit_registry import PRODUCTION_ALIASES, Listed, of_registry
from retrain.preflight.audit_runs import Runs, of_run, run_of
from retrain.text import one_line
from retrain.tracker.client import ExperimentTracker
from retrain.tracker.entities import ModelVersion, RegisteredModel
from retrain.tracker.inspection import Origin
from retrain.tracker.server import TEXTS_AT_ONCE, parts

AT_ONCE = 8
"""Requests at once."""
_MODELS_AT_ONCE = 100
_SILENCES, _LONG = 5, 5.0
"""After so many calls in a row that each waited so many seconds for nothing, MLflow is not asked any more."""

_Asked = TypeVar("_Asked")


def audit(
    tracker: ExperimentTracker,
    server: str,
    *,
    models: Sequence[str] = (),
    aliases: Sequence[str] = (),
    download: bool = False,
    at_once: int = AT_ONCE,
) -> Audit:
    """Look at these models, or at all, and return what is wrong with them.

    server: its address, for the reader. aliases: those of Production beside `PRODUCTION_ALIASES`. download: also
    download all files of each version that is in use or whose digest is known. at_once: requests. A model or a version
    that cannot be looked at is a finding of its own. Raises TrackerError where MLflow does not list its models.
    """
    now, names = datetime.now(UTC), tuple(dict.fromkeys(each.casefold() for each in (*PRODUCTION_ALIASES, *aliases)))
    tracker.check()
    with ThreadPoolExecutor(at_once, thread_name_prefix="retrain-audit") as pool:
        look = _Look(tracker, names, download, now, pool)
        return Audit(server, now, names, tuple(sorted(look.at(models), key=lambda model: model.badness)))


class _Look:
    def __init__(
        self,
        tracker: ExperimentTracker,
        aliases: Sequence[str],
        download: bool,
        now: datetime,
        pool: ThreadPoolExecutor,
    ) -> None:
        self._tracker = tracker
        self._aliases = aliases
        self._download = download
        self._now = now
        self._pool = pool
        self._patience = _Patience()

    def at(self, models: Sequence[str]) -> Iterator[AuditedModel]:
        asked: Iterable[str | RegisteredModel] = list(dict.fromkeys(models)) or self._all()
        found = [*self._pool.map(self._list, asked)]
        listed = [each for each in found if isinstance(each, Listed)]
        # Each version by itself: one model may have most of them.
        versions = [(each, version) for each in listed for version in each.versions]
        runs = self._runs([version for _, version in versions])
        look = self._of_version(runs, self._origins([version for _, version in versions], runs))
        of_versions = dict[tuple[str, str], list[AuditFinding]]()
        for (each, version), findings in zip(versions, self._pool.map(look, versions), strict=True):
            of_versions[each.name, version.version] = findings
        of_models = self._pool.map(self._of_model(runs), listed)
        yield from (each for each in found if isinstance(each, AuditedModel))
        for each, findings in zip(listed, of_models, strict=True):
            numbers = [version.version for version in each.versions]
            yield AuditedModel(
                each.name,
                len(numbers),
                tuple(version.version for version in each.production),
                (*findings, *(one for number in numbers for one in of_versions[each.name, number])),
            )

    def _all(self) -> Iterator[RegisteredModel]:
        token = None
        while True:
            page = self._tracker.page_of_models(_MODELS_AT_ONCE, token)
            yield from page.items
            token = page.next
            if token is None:
                return

    def _list(self, asked: str | RegisteredModel) -> Listed | AuditedModel:
        name = asked if isinstance(asked, str) else asked.name

        def listed() -> Listed:
            model = self._tracker.get_model(asked) if isinstance(asked, str) else asked
            return Listed(model, self._tracker.versions_of(model), self._aliases)

        found = self._patience.ask(listed)
        if isinstance(found, Listed):
            return found
        return AuditedModel(name, 0, (), (AuditFinding.of("not_audited", name, None, found),))

    def _runs(self, versions: Sequence[ModelVersion]) -> Runs:
        ids = list(dict.fromkeys(each.run_id for each in versions if each.run_id))
        found: dict[str, object] = {}

        def read(part: Sequence[str]) -> Runs:
            answer = self._patience.ask(lambda: self._tracker.stored_runs(part))
            return dict.fromkeys(part, NoAnswerError(answer)) if isinstance(answer, str) else answer

        for runs in self._pool.map(read, parts(ids, TEXTS_AT_ONCE)):
            found |= runs
        return found  # type: ignore[return-value]

    def _origins(self, versions: Sequence[ModelVersion], runs: Runs) -> Mapping[str, Origin]:
        """Return the logged models of versions as far as a few searches find them: they save a request for each."""
        experiments: dict[str, set[str]] = {}
        for version in versions:
            stored, model = run_of(version, runs), version.model_id or version.logged_model
            if stored is not None and model is not None:
                experiments.setdefault(model, set()).add(stored.run.experiment_id)

        def search(part: Sequence[str]) -> dict[str, Origin] | str:
            among = sorted({each for model in part for each in experiments[model]})
            return self._patience.ask(lambda: self._tracker.origins(part, among))

        found: dict[str, Origin] = {}
        for answer in self._pool.map(search, parts(list(experiments), TEXTS_AT_ONCE)):
            found |= {} if isinstance(answer, str) else answer
        return found

    def _of_version(
        self, runs: Runs, origins: Mapping[str, Origin]
    ) -> Callable[[tuple[Listed, ModelVersion]], list[AuditFinding]]:
        def findings(pair: tuple[Listed, ModelVersion]) -> list[AuditFinding]:
            listed, version = pair
            serves, run = version in listed.production, run_of(version, runs)
            files = VersionFiles(self._tracker, version, run.run if run else None, serves, origins, self._download)
            found = [*of_run(version, runs, serves=serves, now=self._now)]
            return found + self._collected(files.findings, listed.name, version.version)

        return findings

    def _of_model(self, runs: Runs) -> Callable[[Listed], list[AuditFinding]]:
        def findings(listed: Listed) -> list[AuditFinding]:
            by_chance = self._collected(lambda: of_chance(listed, runs, self._tracker), listed.name, None)
            return [*of_registry(listed), *by_chance]

        return findings

    def _collected(
        self, look: Callable[[], Iterator[AuditFinding]], model: str, version: str | None
    ) -> list[AuditFinding]:
        """Return all findings; where looking fails, those before, and that it has failed."""
        found = list[AuditFinding]()
        # A store that is not MLflow's own is silent in another way.
        failed = self._patience.ask(
            lambda: found.extend(look()), is_silence=lambda: any(each.kind == "not_seen" for each in found)
        )
        return found if failed is None else [*found, AuditFinding.of("not_audited", model, version, failed)]


class _Patience:
    """Asks MLflow, and says in one line why it was asked in vain. Not for ever where it is silent: each call waits for
    its deadline.
    """

    def __init__(self) -> None:
        self._silences = 0
        self._lock = Lock()

    def ask(self, ask: Callable[[], _Asked], *, is_silence: Callable[[], bool] = lambda: False) -> "_Asked | str":
        if self._silences >= _SILENCES:
            return (
                f"not asked for, as there was no answer {_SILENCES} times in a row: see whether MLflow's server works"
            )
        begun = time.monotonic()
        try:
            answer = ask()
        except NoAnswerError as error:
            with self._lock:
                self._silences += time.monotonic() - begun > _LONG
            return f"MLflow gave no answer: {error.message}"
        except RetrainError as error:
            return error.message
        except Exception as error:  # what is stored is others': it ends its own look, not the audit
            return f"{type(error).__name__}: {one_line(error)}"
        with self._lock:
            self._silences = self._silences + 1 if time.monotonic() - begun > _LONG and is_silence() else 0
        return answer

"""Registered models, their versions, aliases and stages."""

import hashlib
import re
import warnings
from collections.abc import Mapping
from contextlib import suppress
from typing import cast

import mlflow.entities as theirs
from mlflow.entities.model_registry import ModelVersion as TheirVersion
from mlflow.entities.model_registry import RegisteredModel as TheirModel
from mlflow.exceptions import MlflowException

from retrain.errors import NotFoundError, TrackerError
from retrain.tracker import filters, validation
from retrain.tracker.entities import ModelVersion, Page, RegisteredModel, Stage
from retrain.tracker.server import AT_MOST, KEY, Server, checked_key, model_id, time_of
from retrain.tracker.transport import AlreadyExistsError, is_missing

_NOT_THERE = re.compile(r"not found|does not exist|no such", re.IGNORECASE)


class Registry(Server):
    """The model registry: registered models, their versions, and the aliases and stages of these."""

    def register_model(self, run_id: str, model_name: str, uri: str | None = None, *, key: str | None = None) -> str:
        """Return the version of a registered model for this key; makes it unless it is there.

        uri: a model that the run has logged; None for its only one. key: None for a key made of run and URI. Two calls
        at the same time may make two versions: call it within `Ledger.once` where that is possible.
        """
        validation.name("model", model_name)
        with self._translated_errors(f"model {model_name!r}"):
            uri = uri or self.model_of_run(run_id)
            key = key or hashlib.sha256(f"{run_id} {uri}".encode()).hexdigest()
            found = self._version_of_key(model_name, run_id, checked_key(key))
            if found is not None:
                return found
            self._make_model(model_name)
            logged = self._client.get_logged_model(model_id(uri))
            made = self._client.create_model_version(
                model_name,
                logged.artifact_location,
                run_id,
                tags={KEY: key},
                await_creation_for=0,
                model_id=logged.model_id,
            )
        return str(made.version)

    def _version_of_key(self, model_name: str, run_id: str, key: str) -> str | None:
        # Some registries filter by one condition alone, and find versions without their tags.
        for each in self._client.search_model_versions(f"run_id = {filters.quoted(run_id)}"):
            if each.name == model_name:
                version = str(each.version)
                if self._client.get_model_version(model_name, version).tags.get(KEY) == key:
                    return version
        return None

    def _make_model(self, model_name: str) -> None:
        """Register the model unless it is there. Looked up: to make one needs a right, which then is not needed."""
        with suppress(NotFoundError), self._translated_errors(f"model {model_name!r}"):
            self._client.get_registered_model(model_name)
            return
        with suppress(AlreadyExistsError), self._translated_errors(f"model {model_name!r}"):
            self._client.create_registered_model(model_name)

    def model_of_run(self, run_id: str) -> str:
        """Return the URI of the only model that the run has logged. Raises TrackerError if there is not exactly one."""
        with self._translated_errors(f"run {run_id}"):
            outputs = cast(theirs.RunOutputs, self._client.get_run(run_id).outputs).model_outputs
        models = sorted({output.model_id for output in outputs})
        if len(models) != 1:
            raise TrackerError(f"run {run_id} has logged {len(models)} models; name the one to register")
        return f"models:/{models[0]}"

    def get_model_version(
        self, model_name: str, version: str | None = None, stage: Stage | None = None
    ) -> ModelVersion:
        """Return a version, by its number or by its stage; of several in a stage the newest.

        Raises NotFoundError if there is none.
        """
        if (version is None) == (stage is None):
            raise TrackerError(f"model {model_name!r}: name either a version or a stage")
        if version is not None:
            with self._translated_errors(f"model {model_name!r} version {version}"):
                return _version(self._client.get_model_version(model_name, version))
        found = [each for each in self.list_model_versions(model_name) if each.stage == stage]
        if not found:
            raise NotFoundError(f"model {model_name!r} has no version in stage {stage}", where=self._server)
        return found[-1]

    def page_of_models(self, size: int = 100, token: str | None = None) -> Page[RegisteredModel]:
        """Return a page of registered models, by name. token: `next` of the page before."""
        with self._translated_errors("models"):
            # By name is MLflow's own order; some registries refuse to be told one.
            page = self._client.search_registered_models(max_results=size, page_token=token)
            return Page(tuple(self._model(self._whole(each)) for each in page), page.token or None)

    def _whole(self, found: TheirModel) -> TheirModel:
        """Return a model that was found with its aliases and tags: some registries find it without."""
        return found if isinstance(found.aliases, Mapping) else self._client.get_registered_model(found.name)

    def get_model(self, model_name: str) -> RegisteredModel:
        """Return a registered model. Raises NotFoundError if there is none."""
        with self._translated_errors(f"model {model_name!r}"):
            return self._model(self._client.get_registered_model(model_name))

    def _model(self, found: TheirModel) -> RegisteredModel:
        owners = {alias: str(version) for alias, version in found.aliases.items()}
        production, staging = (owners.get(self._aliases[stage]) for stage in ("Production", "Staging"))
        return RegisteredModel(found.name, production, staging, owners, dict(found.tags))

    def set_version_tags(self, model_name: str, version: str, tags: Mapping[str, str]) -> None:
        """Set tags of a version; tags with other names stay."""
        with self._translated_errors(f"tags of {model_name!r} version {version}"):
            for name, text in validation.tags(tags).items():
                self._client.set_model_version_tag(model_name, version, name, text)

    def list_model_versions(self, model_name: str) -> list[ModelVersion]:
        """Return the versions of a model, the oldest first. Raises NotFoundError if there is no such model."""
        with self._translated_errors(f"model {model_name!r}"):
            owners = self._client.get_registered_model(model_name).aliases
        return self._versions(model_name, owners)

    def versions_of(self, model: RegisteredModel) -> list[ModelVersion]:
        """Return the versions of a model that was fetched before, the oldest first."""
        return self._versions(model.name, model.aliases)

    def _versions(self, model_name: str, owners: Mapping[str, str]) -> list[ModelVersion]:
        """owners: of each alias the version: a search for versions leaves aliases out."""
        aliases: dict[str, tuple[str, ...]] = {}
        for alias, version in sorted(owners.items()):
            aliases[str(version)] = (*aliases.get(str(version), ()), alias)
        found: dict[str, ModelVersion] = {}
        token = None
        with self._translated_errors(f"model {model_name!r}"):
            while True:
                page = self._client.search_model_versions(
                    f"name = {filters.quoted(model_name)}", max_results=AT_MOST, page_token=token
                )
                found |= {str(each.version): _version(each, aliases) for each in page}
                token = page.token
                if not token:
                    return sorted(found.values(), key=lambda each: int(each.version))

    def production(self, model_name: str) -> str | None:
        """Return the number of the version that `in_production` returns."""
        found = self.in_production(model_name)
        return None if found is None else found.version

    def staging(self, model_name: str) -> str | None:
        """Return the number of the version that owns the alias of Staging; None if none does."""
        found = self._owner(model_name, self._aliases["Staging"])
        return None if found is None else found.version

    def in_production(self, model_name: str) -> ModelVersion | None:
        """Return the version that owns the alias of Production; None if none does, or if there is no such model."""
        return self._owner(model_name, self._aliases["Production"])

    def _owner(self, model_name: str, alias: str) -> ModelVersion | None:
        try:
            with self._translated_errors(f"model {model_name!r}"):
                return _version(self._client.get_model_version_by_alias(model_name, alias))
        except NotFoundError:
            return None
        except TrackerError as error:
            # Where the model is there, MLflow's code is INVALID_PARAMETER_VALUE.
            if "alias" in str(error).lower() and _NOT_THERE.search(str(error)):
                return None
            raise

    def set_production(self, model_name: str, version: str) -> None:
        """Give a version the alias of Production: the commit point of a promotion (DESIGN rule 1)."""
        alias = self._aliases["Production"]
        with self._translated_errors(f"alias {alias!r} of {model_name!r}"):
            self._client.set_registered_model_alias(model_name, alias, version)

    def transition_model_stage(
        self, model_name: str, version: str, stage: Stage, archive_existing_versions: bool = True
    ) -> bool:
        """Set a version's stage. Returns whether the registry has stages: some have aliases alone, and say so, or give
        versions without any stage.

        The alias of Staging moves with its stage; only `set_production` moves that of Production. Raises TrackerError
        if two versions would be in Production.
        """
        validation.stage(stage, archive_existing_versions)
        # MLflow archives existing versions of Staging and Production, and refuses to do so for other stages.
        archive = archive_existing_versions and stage in ("Staging", "Production")
        staging = self._aliases["Staging"]
        with self._translated_errors(f"stage of {model_name!r} version {version}"), warnings.catch_warnings():
            # MLflow warns that stages will be removed; as long as they exist, they agree with the aliases.
            warnings.simplefilter("ignore", FutureWarning)
            has_stages = self._set_stage(model_name, version, stage, archive)
            if stage == "Staging":
                self._client.set_registered_model_alias(model_name, staging, version)
            elif (owner := self._owner(model_name, staging)) is not None and owner.version == version:
                self._client.delete_registered_model_alias(model_name, staging)
        return has_stages

    def _set_stage(self, model_name: str, version: str, stage: Stage, archive: bool) -> bool:
        """Return whether the registry has stages; if so, the version has this one now."""
        if not self._client.get_model_version(model_name, version).current_stage:
            return False
        try:
            self._client.transition_model_version_stage(model_name, version, stage, archive)
        except MlflowException as error:
            if not is_missing(error):
                raise
            return False
        return True

    def stage(self, model_name: str, version: str) -> Stage:
        """Return a version's stage. Raises NotFoundError if there is no such version."""
        return self.get_model_version(model_name, version).stage


def _version(found: TheirVersion, aliases: Mapping[str, tuple[str, ...]] | None = None) -> ModelVersion:
    version = str(found.version)
    return ModelVersion(
        model=found.name,
        version=version,
        stage=cast(Stage, found.current_stage or "None"),
        aliases=tuple(sorted(found.aliases)) if aliases is None else aliases.get(version, ()),
        run_id=found.run_id or None,
        source=found.source or "",
        # Some registries find versions without tags: there is a method in their place.
        tags=dict(found.tags) if isinstance(found.tags, Mapping) else {},
        registered_at=time_of(found.creation_timestamp),
        status=str(found.status or "READY"),
        status_message=found.status_message or "",
        model_id=getattr(found, "model_id", None) or None,
    )

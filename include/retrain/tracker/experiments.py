"""The experiments of one MLflow server."""

from collections.abc import Mapping
from contextlib import suppress

import mlflow.entities as theirs
from mlflow.entities import ViewType

from retrain.errors import TrackerError
from retrain.tracker import validation
from retrain.tracker.entities import Experiment, Page, View
from retrain.tracker.server import AT_MOST, Server
from retrain.tracker.transport import AlreadyExistsError

_VIEWS = {"ACTIVE": ViewType.ACTIVE_ONLY, "DELETED": ViewType.DELETED_ONLY, "ALL": ViewType.ALL}


class Experiments(Server):
    """Experiments: make, find, list, tag and delete them."""

    def create_experiment(
        self, name: str, tags: Mapping[str, str] | None = None, artifact_location: str | None = None
    ) -> str:
        """Return the id of the experiment of that name; makes it unless it is there.

        tags, artifact_location: used only where it is made. Raises TrackerError if a deleted experiment holds the name.
        """
        validation.name("experiment", name)
        checked_tags = validation.tags(tags or {})
        with self._translated_errors(f"experiment {name!r}"):
            found = self._client.get_experiment_by_name(name)
            if found is None:
                with suppress(AlreadyExistsError), self._translated_errors(f"experiment {name!r}"):
                    return str(self._client.create_experiment(name, artifact_location, checked_tags))
                found = self._client.get_experiment_by_name(name)
        if found is None or found.lifecycle_stage != "active":
            raise TrackerError(
                f"experiment {name!r}: its name is held by a deleted experiment; "
                "restore that one in MLflow (mlflow experiments restore), or use another name"
            )
        return str(found.experiment_id)

    def find_experiment(self, name: str) -> str | None:
        """Return the id of the active experiment of that name; None if there is none."""
        with self._translated_errors(f"experiment {name!r}"):
            found = self._client.get_experiment_by_name(name)
        return None if found is None or found.lifecycle_stage != "active" else str(found.experiment_id)

    def get_experiment(self, experiment_id: str) -> Experiment:
        """Return an experiment, active or deleted. Raises NotFoundError if there is none."""
        with self._translated_errors(f"experiment {experiment_id}"):
            return _experiment(self._client.get_experiment(experiment_id))

    def list_experiments(self, view: View = "ACTIVE") -> list[Experiment]:
        """Return all experiments, the oldest first."""
        found: list[Experiment] = []
        token: str | None = None
        while True:
            page = self.page_of_experiments(view, AT_MOST, token)
            found += page.items
            token = page.next
            if token is None:
                return list({each.id: each for each in found}.values())

    def page_of_experiments(self, view: View = "ACTIVE", size: int = 100, token: str | None = None) -> Page[Experiment]:
        """Return a page of experiments, the oldest first. token: `next` of the page before."""
        with self._translated_errors("experiments"):
            page = self._client.search_experiments(
                _VIEWS[view], max_results=size, order_by=["creation_time ASC"], page_token=token
            )
        return Page(tuple(_experiment(each) for each in page), page.token or None)

    def set_experiment_tags(self, experiment_id: str, tags: Mapping[str, str]) -> None:
        """Set tags; tags with other names stay."""
        with self._translated_errors(f"tags of experiment {experiment_id}"):
            for name, text in validation.tags(tags).items():
                self._client.set_experiment_tag(experiment_id, name, text)

    def delete_experiment(self, experiment_id: str) -> None:
        """Delete an experiment. MLflow keeps it as deleted, and its name stays taken."""
        with self._translated_errors(f"experiment {experiment_id}"):
            self._client.delete_experiment(experiment_id)


def _experiment(found: theirs.Experiment) -> Experiment:
    return Experiment(
        id=str(found.experiment_id),
        name=found.name,
        deleted=found.lifecycle_stage == "deleted",
        artifact_location=found.artifact_location,
        tags=dict(found.tags),
    )

"""A model of a candidate, as a registry would hold it."""

from dataclasses import dataclass

from retrain.backtest.history import History
from retrain.backtest.timeline import Taken
from retrain.gate.labels import Integers
from retrain.records import Subset, VersionId

TRAINED_ON = (Subset.TRAIN, Subset.VALIDATION)


@dataclass(frozen=True, eq=False)
class Version:
    """A model of a candidate, as a registry would hold it."""

    number: str
    key: str
    """Of `Models`."""
    candidate: str
    recipe: str | None
    taken: Taken
    """The snapshot that it learnt from."""

    @property
    def id(self) -> VersionId:
        return VersionId(self.number, self.key)

    def trained_on(self, history: History) -> Integers:
        """Return the places of the rows that it learnt from."""
        return self.taken.part(history, *TRAINED_ON)

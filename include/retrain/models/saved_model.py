"""A model that a training function has saved as a folder of MLflow's, in place of returning it."""

from pathlib import Path
from typing import Any

from retrain.errors import EstimatorError, RetrainError
from retrain.models import files
from retrain.text import one_line


class SavedModel:
    """The model in a folder. It can what it can when MLflow has loaded it, and is stored as the folder is."""

    def __init__(self, name: str, folder: Path) -> None:
        """Load it, whatever it holds: the function that has saved it has run in this process.

        name: what errors call it. Raises EstimatorError where it cannot be loaded, or has no `predict`.
        """
        self.name, self.folder = name, folder
        try:
            self.model = files.load(name, folder, files.digest(folder), (files.PICKLE,))
        except RetrainError:
            raise
        except Exception as error:
            raise EstimatorError(f"{name}: cannot be loaded: {type(error).__name__}: {one_line(error)}") from error

    def __getattr__(self, name: str) -> Any:
        if name == "model":  # as long as there is none: copies and pickles ask before
            raise AttributeError(name)
        return getattr(self.model, name)

    def __reduce__(self) -> Any:
        return SavedModel, (self.name, self.folder)

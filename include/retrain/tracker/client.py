"""The tracker: all that Retrain does with one MLflow server."""

from retrain.tracker.analysis import Analysis
from retrain.tracker.experiments import Experiments
from retrain.tracker.inspection import Inspection
from retrain.tracker.logging import Logging
from retrain.tracker.model_files import ModelFiles
from retrain.tracker.registry import Registry


class ExperimentTracker(Experiments, Logging, Analysis, Inspection, ModelFiles, Registry):
    """One MLflow server: its experiments, runs, model files and registry. Each part has a file of its own.

    Every method raises NoAnswerError if the server did not answer within its deadline, and TrackerError if it refused.
    """

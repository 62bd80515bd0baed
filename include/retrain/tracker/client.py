"""The tracker itself: all that Retrain asks of one MLflow server."""

from retrain.tracker.analysis import Analysis
from retrain.tracker.experiments import Experiments
from retrain.tracker.logging import Logging
from retrain.tracker.model_files import ModelFiles
from retrain.tracker.registry import Registry


class ExperimentTracker(Experiments, Logging, Analysis, ModelFiles, Registry):
    """A service over one MLflow server.

    Every method raises NoAnswerError where the server did not answer within its deadline, and TrackerError where it
    refused.
    """

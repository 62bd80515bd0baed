"""Where the tasks that train run: what a spec's `run_on` is to Airflow."""

from typing import Any

from retrain.errors import MissingExtraError
from retrain.spec.training import RunOn


def arguments(run_on: RunOn) -> dict[str, Any]:
    """Return the arguments of a task that fits. Raises MissingExtraError for an image without Kubernetes' client."""
    config: dict[str, Any] = {**run_on.executor_config}
    if run_on.image is not None:
        config["pod_override"] = _pod(run_on.image)
    queue = {} if run_on.queue is None else {"queue": run_on.queue}
    return {"pool": run_on.pool, "executor_config": config, **queue}


def _pod(image: str) -> Any:
    try:
        from kubernetes.client import models
    except ImportError as error:
        raise MissingExtraError(
            f"run_on.image = {image!r}: needs the package kubernetes, which Airflow's provider cncf.kubernetes brings; "
            "install it where DAGs are parsed"
        ) from error
    # The executor's own container is called so; what is not said here comes from its template.
    return models.V1Pod(spec=models.V1PodSpec(containers=[models.V1Container(name="base", image=image)]))

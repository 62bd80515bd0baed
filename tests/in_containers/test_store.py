"""An object store, by one variable: then the parts of the stack share no disk."""

import json
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tests.in_containers.conftest import Cycle
from tests.in_containers.project import Project

pytestmark = pytest.mark.soak


@pytest.fixture
def bucket(containers: Project) -> Iterator[Any]:
    """A client of an S3 server on this machine; meanwhile the containers store everything there."""
    inspected = subprocess.run(
        ["docker", "network", "inspect", f"{containers.name}_default"], capture_output=True, text=True, check=True
    )
    gateway = json.loads(inspected.stdout)[0]["IPAM"]["Config"][0]["Gateway"]
    server = ThreadedMotoServer(ip_address=gateway, port=0, verbose=False)
    server.start()
    login = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
    address = f"http://{gateway}:{server.get_host_and_port()[1]}"
    client = boto3.client(
        "s3",
        endpoint_url=address,
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        region_name="us-east-1",
    )
    client.create_bucket(Bucket="models")
    before = containers.settings.read_text()
    containers.set(RETRAIN_STORE="s3://models/team", AWS_ENDPOINT_URL=address, **login)
    try:
        containers.up("worker=3")
        yield client
    finally:
        containers.settings.write_text(before)
        containers.up("worker=3")
        server.stop()


def test_a_cycle_keeps_snapshots_and_artifacts_in_a_bucket(
    containers: Project, bucket: Any, start: Callable[..., Cycle]
) -> None:
    start("in_a_bucket").end()
    names = [each["Key"] for each in bucket.list_objects_v2(Bucket="models")["Contents"]]
    assert any(name.startswith("team/snapshots/in_a_bucket/") and name.endswith(".parquet") for name in names)
    assert any(name.startswith("team/artifacts/") and name.endswith("model.skops") for name in names)
    for part in ("worker", "mlflow"):
        assert "in_a_bucket" not in containers.compose("exec", "-T", part, "find", "/var/lib/retrain")

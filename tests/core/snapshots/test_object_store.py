"""Snapshots in an object store: a real server that speaks S3, reached as AWS's own variables say."""

from collections.abc import Iterator
from typing import Any

import boto3
import pyarrow as pa
import pytest
from moto.server import ThreadedMotoServer

from retrain.errors import SnapshotError, SourceError
from retrain.snapshots.store import SnapshotStore
from tests.core.snapshots.samples import EVERY, MODEL, SPLIT_VERSION, numbered, take

STORE = "s3://models/team/snapshots"


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    """A client of a server with a bucket `models`."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        environment.setenv("AWS_ACCESS_KEY_ID", "key")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        environment.setenv("AWS_DEFAULT_REGION", "eu-central-1")
        environment.setenv("NO_PROXY", "127.0.0.1")
        client = boto3.client("s3")
        client.create_bucket(Bucket="models", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        yield client
    server.stop()


def names(s3: Any) -> list[str]:
    return [each["Key"] for each in s3.list_objects_v2(Bucket="models").get("Contents", []) if each["Size"]]


def test_it_is_written_once_and_read_from_anywhere(s3: Any) -> None:
    snapshot = take(SnapshotStore(STORE), numbered(20))
    assert take(SnapshotStore(STORE), numbered(20)) == snapshot
    assert names(s3) == [snapshot.uri.removeprefix("s3://models/")]

    elsewhere = SnapshotStore(STORE)
    assert len(elsewhere.read(snapshot, EVERY)) == 20
    assert take(elsewhere, numbered(22), snapshot).new_rows == 2


def test_a_writer_that_fails_leaves_nothing(s3: Any) -> None:
    def failing() -> Iterator[pa.RecordBatch]:
        yield from numbered(9).to_batches(max_chunksize=4)
        raise SourceError("letters: server closed the connection")

    before = names(s3)
    broken = pa.RecordBatchReader.from_batches(numbered(1).schema, failing())
    with pytest.raises(SourceError, match="server closed"):
        SnapshotStore(STORE).write(MODEL, broken, split_version=SPLIT_VERSION, round_rows=3, last=None, inherits=None)
    assert names(s3) == before


def test_a_bucket_that_is_not_there_is_one_clear_line(s3: Any) -> None:
    with pytest.raises(SnapshotError, match=r"s3://nobodys/snapshots.*Bucket .nobodys. not found"):
        take(SnapshotStore("s3://nobodys/snapshots"), numbered(5))

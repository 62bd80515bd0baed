"""Files go into the folder of their run, and nowhere else."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from retrain.tracker.client import ExperimentTracker
from retrain_airflow.api import artifacts
from stack.local import Running

INSIDE = [
    "보고서.md",
    "그림/혼동 행렬.png",
    "가/나/다/라.txt",
    "a b+c&d=e;f,g@h$i!(j)'k~l*m.txt",
    "...",
    "a..b",
    "가" * 85,  # 255 bytes
]

OUTSIDE = {
    "parent": "../gone",
    "parent within": "a/../../gone",
    "parent at the end": "a/..",
    "here": "a/./gone",
    "encoded dots": "%2e%2e/gone",
    "encoded all": "%2e%2e%2fgone",
    "encoded slash": "..%2fgone",
    "encoded twice": "%252e%252e%252fgone",
    "encoded three times": "%25252e%25252e%25252fgone",
    "encoded once more inside": "a%252f..%252f..%252fgone",
    "backslash": "..%5cgone",
    "backslash as it is": "..\\gone",
    "backslash twice encoded": "..%255cgone",
    "long utf-8": "%c0%ae%c0%ae%c0%afgone",
    "fullwidth dots": "%ef%bc%8e%ef%bc%8e/gone",
    "fullwidth slash": "..%ef%bc%8fgone",
    "fullwidth per cent": "%ef%bc%852e%ef%bc%852e/gone",
    "one-dot leader": "%e2%80%a4%e2%80%a4/gone",
    "two-dot leader": "%e2%80%a5/gone",
    "absolute": "/tmp/gone",  # noqa: S108
    "absolute encoded": "%2ftmp%2fgone",
    "absolute twice": "//tmp/gone",
    "empty part": "a//gone",
    "slash at the end": "gone/",
    "nothing": "",
    "nul": "gone%00.txt",
    "line break": "gone%0a",
    "delete": "gone%7f",
    "drive": "c:/gone",
    "file": "file:///tmp/gone",
    "query, which MLflow's client would cut": "a/gone%3fb",
    "fragment, which MLflow's client would cut": "a/gone%23b",
    "encoding, which MLflow's server would undo": "gone%2541",
    "too long for a file's name": "%ea%b0%80" * 86,
    "too long for all": "a/" * 100 + "gone",
}


@pytest.fixture
def kept(mlflow_server: Running) -> Callable[[], set[Path]]:
    """Return all files in MLflow's store, and suspicious ones in the folders around it."""

    def found() -> set[Path]:
        home = mlflow_server.home.path
        folders = (home, mlflow_server.home.artifacts, Path("/tmp"), Path("/"))  # noqa: S108
        return {each for folder in folders for each in folder.glob("*gone*")} | {
            each for each in mlflow_server.home.artifacts.rglob("*") if each.is_file()
        }

    return found


@pytest.fixture
def folder(mlflow_server: Running, experiment: str, run: str) -> Path:
    """The run's folder in MLflow's store."""
    return mlflow_server.home.artifacts / experiment / run / "artifacts"


def _raw(address: str, method: str, path: str, body: bytes = b"hello") -> int:
    """Return the status of a request whose path is sent unchanged: clients normalise it."""
    parts = urlsplit(address)
    head = (
        f"{method} {parts.path}{path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer kim:\r\n"
        f"Content-Type: application/octet-stream\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    with socket.create_connection((str(parts.hostname), int(parts.port or 0)), timeout=30) as connection:
        connection.sendall(head.encode("latin-1") + body)
        response = connection.makefile("rb").readline()
    return int(response.split()[1])


def _listed(api: httpx.Client, run: str, path: str | None = None) -> list[Any]:
    response = api.get(f"/runs/{run}/artifacts", params={} if path is None else {"path": path})
    assert response.status_code == 200, response.text
    return list(response.json()["artifacts"])


@pytest.mark.parametrize("path", INSIDE)
def test_a_file_is_kept_under_its_name(path: str, api: httpx.Client, run: str, folder: Path) -> None:
    response = api.put(f"/runs/{run}/artifacts/{path}", content="한글".encode())
    assert response.status_code == 201, response.text
    assert response.json() == {"path": path, "is_folder": False, "size": 6}
    assert (folder / path).read_text(encoding="utf-8") == "한글"
    parent = path.rpartition("/")[0] or None
    assert {"path": path, "is_folder": False, "size": 6} in _listed(api, run, parent)


def test_a_folder_is_listed_as_one(api: httpx.Client, run: str) -> None:
    api.put(f"/runs/{run}/artifacts/그림/하나.png", content=b"1")
    assert _listed(api, run) == [{"path": "그림", "is_folder": True, "size": None}]
    assert _listed(api, run, "없는 것") == []


def test_a_second_file_of_a_name_takes_the_place_of_the_first(api: httpx.Client, run: str, folder: Path) -> None:
    for content in (b"first, and longer", b"second"):
        assert api.put(f"/runs/{run}/artifacts/a.txt", content=content).status_code == 201
    assert (folder / "a.txt").read_bytes() == b"second"
    assert [each["size"] for each in _listed(api, run)] == [6]


def test_an_empty_file_is_a_file(api: httpx.Client, run: str) -> None:
    assert api.put(f"/runs/{run}/artifacts/a.txt").status_code == 201
    assert [each["size"] for each in _listed(api, run)] == [0]


def test_who_has_uploaded_is_in_a_tag(api: httpx.Client, run: str, tracker: ExperimentTracker) -> None:
    api.put(f"/runs/{run}/artifacts/a.txt", content=b"1")
    assert tracker.get_run(run).tags["retrain.logged_by"] == "kim"


def test_a_file_is_not_put_where_a_folder_is_nor_into_a_file(api: httpx.Client, run: str, folder: Path) -> None:
    assert api.put(f"/runs/{run}/artifacts/a/b.txt", content=b"1").status_code == 201
    for path, says in (("a", "a is a folder already"), ("a/b.txt/c", "a/b.txt is a file already")):
        response = api.put(f"/runs/{run}/artifacts/{path}", content=b"2")
        assert (response.status_code, response.json()["detail"]) == (422, says)
    assert (folder / "a" / "b.txt").read_bytes() == b"1"


def test_a_file_of_a_run_that_is_not_there_is_refused(api: httpx.Client) -> None:
    assert api.put("/runs/없는것/artifacts/a.txt", content=b"1").status_code == 422
    assert api.put("/runs/nowhere/artifacts/a.txt", content=b"1").status_code == 404
    assert api.get("/runs/nowhere/artifacts").status_code == 404


def test_a_file_that_is_too_large_is_refused_and_not_kept(
    api: httpx.Client, run: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artifacts, "LARGEST_FILE", 1_000)
    assert api.put(f"/runs/{run}/artifacts/a", content=b"x" * 1_000).status_code == 201
    response = api.put(f"/runs/{run}/artifacts/b", content=b"x" * 1_001)
    assert (response.status_code, response.json()["detail"]) == (413, "a file has at most 1,000 bytes")
    assert [each.name for each in folder.iterdir()] == ["a"]


@pytest.mark.parametrize("path", OUTSIDE.values(), ids=OUTSIDE)
def test_no_path_leaves_the_folder(
    path: str, address: str, run: str, folder: Path, kept: Callable[[], set[Path]]
) -> None:
    before = kept()
    assert _raw(address, "PUT", f"/runs/{run}/artifacts/{path}") in (404, 422)
    assert kept() == before
    assert not folder.exists()


@pytest.mark.parametrize("path", OUTSIDE.values(), ids=OUTSIDE)
def test_no_list_is_of_another_folder(path: str, address: str, run: str) -> None:
    if path:
        assert _raw(address, "GET", f"/runs/{run}/artifacts?path={path}", b"") == 422


@pytest.mark.parametrize("run_id", ["..", "%2e%2e", "a%2f..%2f..", "%00", "a%0a", "%ea%b0%80"])
def test_no_id_of_a_run_is_a_path(run_id: str, address: str, kept: Callable[[], set[Path]]) -> None:
    before = kept()
    assert _raw(address, "PUT", f"/runs/{run_id}/artifacts/gone") in (404, 405, 422)
    assert kept() == before

"""A folder of files, on this machine or wherever fsspec reaches, whose files are there in whole or not at all."""

import os
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

SUFFIX = ".npy"


class Folder(Protocol):
    """What a store of vectors needs of a folder."""

    def names(self) -> list[str]:
        """Return the names of its files; none where there is no such folder."""

    def read(self, name: str) -> bytes:
        """Return what a file holds. Raises OSError where it cannot be read."""

    def write(self, name: str, content: bytes) -> None:
        """Put a file in place, also over one of this name. Raises OSError."""


def opened(where: str) -> Folder:
    """Return the folder at a path or a URL, whether or not it is there."""
    return Remote(where) if "://" in where else Local(where)


class Local:
    """A folder on this machine."""

    def __init__(self, where: str) -> None:
        self._path = Path(where)

    def names(self) -> list[str]:
        return sorted(each.name for each in self._path.glob(f"*{SUFFIX}"))

    def read(self, name: str) -> bytes:
        return (self._path / name).read_bytes()

    def write(self, name: str, content: bytes) -> None:
        self._path.mkdir(parents=True, exist_ok=True)
        part = self._path / f"{uuid4().hex}.part"
        try:
            with part.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            part.replace(self._path / name)
        finally:
            part.unlink(missing_ok=True)


class Remote:
    """A folder of an object store, where a file appears when all of it has arrived."""

    def __init__(self, where: str) -> None:
        self._files: Any
        self._files, self._path = _fsspec().core.url_to_fs(where)

    def names(self) -> list[str]:
        try:
            found = self._files.ls(self._path, detail=False)
        except FileNotFoundError:
            return []
        return sorted(each.rpartition("/")[2] for each in found if each.endswith(SUFFIX))

    def read(self, name: str) -> bytes:
        content: bytes = self._files.cat_file(f"{self._path}/{name}")
        return content

    def write(self, name: str, content: bytes) -> None:
        self._files.makedirs(self._path, exist_ok=True)
        self._files.pipe_file(f"{self._path}/{name}", content)


def _fsspec() -> Any:
    try:
        import fsspec
    except ImportError as error:
        raise ValueError("a folder that is a URL needs fsspec: install it, or name a path") from error
    return fsspec

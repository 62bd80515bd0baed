"""The files that `retrain init` writes: all of them or none, and never over another."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from retrain.errors import RetrainError
from retrain.text import one_line

LONGEST_STEM = 60
"""Characters of the name of a model in the names of its files."""


def stem_of(model: str) -> str:
    """Return the name of a model as that of a file: its id of a DAG and the name of a module begin with it."""
    plain = "".join(each if each.isalnum() or each == "_" else "_" for each in model)[:LONGEST_STEM]
    return plain or "_"


def module_of(stem: str) -> str:
    """Return the name of the module of estimators: a spec wants an ASCII letter or _ first."""
    first = "" if stem[0].isascii() and not stem[0].isdigit() else "_"
    return f"{first}{stem}_estimators"


def refuse_existing(folder: Path, names: list[str]) -> None:
    """Raise RetrainError where the folder is none, or where it holds a file of one of these names."""
    if not folder.is_dir():
        raise RetrainError(f"--into {folder}: is not a folder; make it, or name another one")
    there = [name for name in names if os.path.lexists(folder / name)]
    if there:
        raise RetrainError(
            f"{folder}: holds {' and '.join(there)} already, and nothing is written over a file; move it away, or name "
            "the model otherwise (--model), or another folder (--into)"
        )


def write(folder: Path, texts: Mapping[str, str]) -> None:
    """Write every text into a file of its name: all or none. Raises RetrainError where one exists by now."""
    made = list[Path]()
    try:
        for name, text in texts.items():
            with (folder / name).open("x", encoding="utf-8") as file:
                made.append(folder / name)
                file.write(text)
    except OSError as error:
        for path in made:
            with suppress(OSError):
                path.unlink()
        raise RetrainError(f"{folder}: cannot be written into: {one_line(error)}; nothing was written") from error

"""Label codes: labels and predictions as the position of each class among all classes; -1 for any other value."""

from collections.abc import Hashable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from retrain.labels import code, spelled

Integers = NDArray[np.int64]

Floats = NDArray[np.float64]

Values = NDArray[np.generic]
"""Label codes, or numbers."""


def check_label_codes(labels: NDArray[np.generic], predictions: NDArray[np.generic], classes: int) -> None:
    """Raise ValueError unless both have shape (n,) and hold codes below `classes`, from 0 (predictions from -1)."""
    if labels.ndim != 1 or labels.shape != predictions.shape:
        raise ValueError(f"labels of shape {labels.shape} and predictions of shape {predictions.shape} do not pair")
    for name, values, least in (("labels", labels, 0), ("predictions", predictions, -1)):
        if values.dtype.kind not in "iu":
            raise ValueError(f"{name} are {values.dtype}; label codes are whole numbers")
        found = values.astype(np.int64)
        if found.size and not (least <= found.min() and found.max() < classes):
            raise ValueError(f"{name} hold {found.min()}..{found.max()}; label codes are {least}..{classes - 1}")


def classes_in(labels: ArrayLike) -> tuple[str, ...]:
    """Return the classes that occur, spelled, in order: the position of each is its label code."""
    return tuple(sorted({spelled(each) for each in _distinct(labels)[0]}))


def encode(values: ArrayLike, classes: tuple[str, ...]) -> Integers:
    """Return the label code of each value, -1 where it is not one of the classes. Shape (n,) to shape (n,)."""
    distinct, place = _distinct(values)
    codes = [code(each, classes) for each in distinct]
    return np.array([-1 if each is None else each for each in codes], np.int64)[place]


def spell(values: ArrayLike) -> NDArray[np.str_]:
    """Return the spelling of each value, shape (n,)."""
    distinct, place = _distinct(values)
    return np.array([spelled(each) for each in distinct], np.str_)[place]


def _distinct(values: ArrayLike) -> tuple[list[Hashable], NDArray[np.intp]]:
    """Return the distinct values, and the position of each value's among them. Shape (n,) to shape (n,)."""
    array = np.asarray(values)
    if array.dtype.kind not in "OU":
        distinct, place = np.unique(array, return_inverse=True)
        return distinct.tolist(), place
    # By a dictionary: to sort a million texts takes ten times as long.
    found = array.tolist()
    mixed = len({*map(type, found)}) > 1
    keys = [*zip(map(type, found), found, strict=True)] if mixed else found  # by type as well: True == 1 == 1.0
    known = {key: place for place, key in enumerate(dict.fromkeys(keys))}
    place = np.fromiter(map(known.__getitem__, keys), np.intp, len(keys))
    return [key[1] for key in known] if mixed else [*known], place

"""Label codes: labels and predictions as the position of each class among all classes; -1 for any other value."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

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
    """Return the classes that occur, as text, in order: the position of each is its label code."""
    return tuple(str(each) for each in np.unique(as_text(labels)))


def label_code(label: str | int | None, classes: tuple[str, ...]) -> int | None:
    """Return the code of one class; None where it does not occur."""
    return classes.index(str(label)) if str(label) in classes and label is not None else None


def encode(values: ArrayLike, classes: tuple[str, ...]) -> Integers:
    """Return the label code of each value, -1 where it is not one of the classes. Shape (n,) to shape (n,)."""
    known = np.asarray(classes, dtype=np.str_)
    texts = as_text(values)
    if not len(known):
        return np.full(len(texts), -1, np.int64)
    slot = np.searchsorted(known, texts).clip(max=len(known) - 1)
    return np.where(known[slot] == texts, slot, -1).astype(np.int64)


def as_text(values: ArrayLike) -> NDArray[np.str_]:
    """Return `str()` of each value."""
    # By way of object: numpy turns a float array into text with fewer digits than str() of each.
    return np.asarray(values, dtype=object).astype(np.str_)

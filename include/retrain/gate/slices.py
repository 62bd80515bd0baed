"""Which rows are in a slice that the gate guards."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from retrain.errors import SpecError
from retrain.gate.labels import spell
from retrain.labels import code, spelled
from retrain.spec.gate import Slice


def in_slice(each: Slice, features: pd.DataFrame) -> NDArray[np.bool_]:
    """Return which rows are in the slice, shape (rows,). Raises SpecError for a range of a column without numbers."""
    column = features[each.column]
    numbers = column.dtype.kind == "f"
    if each.value is not None:
        # A column of booleans holds numbers as well: a model gets them so.
        place = code(each.value, ("0", "1")) if numbers else None
        wanted = spelled(each.value) if place is None else str(place)
        return np.asarray(spell(column.to_numpy()) == wanted, np.bool_)
    if not numbers:
        raise SpecError(
            f"gate.slices: {each} is a range, but column {each.column} does not hold numbers; set value instead"
        )
    least = column >= each.least if each.least is not None else column.notna()
    below = column < each.below if each.below is not None else column.notna()
    return np.asarray(least & below, np.bool_)

"""Made rows, for a look at a spec without its source. Their types are not known, so several are tried."""

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Literal

import numpy as np
import pandas as pd

from retrain.preflight.trial import TrialRows
from retrain.spec.spec import Spec
from retrain.spec.task import Task

Kind = Literal["number", "text"]

_ROWS = 300
_FEW = 6
"""Up to so many features, every mixture of types is tried."""
_WORDS = (("좋다", "good", "fine", "bright"), ("나쁘다", "bad", "poor", "dull"))
_BOTH = ("it", "is", "a", "그것은")


def made_rows(spec: Spec) -> Iterator[TrialRows]:
    """Yield tables with the spec's features, each with another mixture of numbers and texts."""
    names = spec.source.features
    kinds: tuple[Kind, ...] = ("number", "text")
    mixtures = product(kinds, repeat=len(names)) if len(names) <= _FEW else ((kind,) * len(names) for kind in kinds)
    for mixture in mixtures:
        for classes in _classes(spec):
            yield _made(dict(zip(names, mixture, strict=True)), classes)


def _classes(spec: Spec) -> list[tuple[object, object] | None]:
    """Return pairs of classes to be tried; None in a regression."""
    if spec.task is Task.REGRESSION:
        return [None]
    positive = spec.gate.positive
    if positive in ("true", "false"):
        return [(False, True), ("false", "true")]
    if positive in ("0", "1"):
        return [(0, 1), ("0", "1")]
    return [("no", "yes"), (0, 1)] if positive is None else [(f"not {positive}", positive)]


def _made(kinds: Mapping[str, Kind], classes: tuple[object, object] | None) -> TrialRows:
    rng = np.random.default_rng(0)
    side = rng.integers(0, 2, _ROWS)
    columns: dict[str, object] = {}
    for name, kind in kinds.items():
        # A tenth of the rows says the opposite: some estimators fail where classes are apart.
        seen = side ^ (rng.random(_ROWS) < 0.1)
        if kind == "number":
            columns[name] = seen + rng.normal(size=_ROWS)
        else:
            columns[name] = [" ".join(rng.choice([*_WORDS[each], *_BOTH], 6)) for each in seen]
    labels = pd.Series(side + 0.1 * rng.normal(size=_ROWS) if classes is None else [classes[each] for each in side])
    return TrialRows(pd.DataFrame(columns), labels)

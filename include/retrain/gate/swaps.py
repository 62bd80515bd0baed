"""Which clusters swap in which draw, where it must be the same at every look at data that grow.

A generator's coins depend on which clusters there are. Those of a key do not: a cluster swaps in the draws in which its
bits are set, and these follow from an id and the cluster's key alone. So all looks of a trial are drawn together, and
each can be computed again.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrain.gate.labels import Integers
from retrain.gate.significance import draws_in_chunks

Bits = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Swaps:
    id: str
    keys: Integers
    """Of each cluster, shape (u,)."""
    draws: int
    """A multiple of 8."""

    def __post_init__(self) -> None:
        if self.draws < 8 or self.draws % 8:
            raise ValueError(f"{self.draws} draws are not a multiple of 8")

    def bits(self, clusters: NDArray[np.intp]) -> Bits:
        """Return the bits of these clusters, shape (c,), packed: shape (c, draws / 8)."""
        length = self.draws // 8
        hashed = (hashlib.shake_128(f"{self.id}|{key}".encode()).digest(length) for key in self.keys[clusters].tolist())
        return np.frombuffer(b"".join(hashed), np.uint8).reshape(len(clusters), length)

    def chunks(self, width: int) -> Iterator[Bits]:
        """Yield the coins of all clusters for some draws, shape (step, u): 1 where the cluster swaps.

        width: numbers in one draw.
        """
        bits = self.bits(np.arange(len(self.keys)))
        for start, step in draws_in_chunks(self.draws // 8, 8 * width):
            yield np.unpackbits(bits[:, start : start + step], axis=1).T

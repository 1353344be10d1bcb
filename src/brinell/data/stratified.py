"""A seeded share of every class, for data that nobody has split."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np


def stratified_mask(names: Sequence[str], labels: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Which examples belong to the share, as booleans: of each class `share`, rounded, and at least one of two.

    An example's place depends on `seed` and its name only, so that few examples change sides when others are added. A
    class of one example is not split: its example stays out.
    """
    digests = [hashlib.sha256(f"{seed}\0{name}".encode(errors="surrogateescape")).digest() for name in names]
    chosen = np.zeros(len(names), dtype=bool)
    for label in np.unique(labels):
        members = sorted(np.flatnonzero(labels == label).tolist(), key=lambda index: digests[index])
        count = min(max(round(share * len(members)), 1), len(members) - 1)
        chosen[members[:count]] = True
    return chosen

"""Which corrupted images a network gets right, one by one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from brinell.analysis.records.probes import Corruptions, Found
from brinell.core import BrinellError


def correct_images(found: Found[Corruptions]) -> NDArray[np.bool_] | None:
    """Readings by images; `None` in records of versions that kept none, and where they cannot be read."""
    try:
        correct = found.arrays().get("correct")
    except BrinellError:
        return None
    if correct is None or correct.shape != (len(found.record.readings), found.record.examples):
        return None
    right: NDArray[np.bool_] = correct != 0
    return right

"""The values of a batch grow as the batch does: what a stranger's graph takes for many images follows from few."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from brinell.core import ModelError

BATCHES: Final = (1, 2, 3, 256)
"""Numbers of images on which shapes are computed."""


def check_growth(totals: Mapping[int, int], where: str) -> None:
    """Refuse a graph whose number of values, by number of images, grows faster than from one image to two.

    Raises:
        ModelError: how many values how many images have.
    """
    one, more = totals[1], totals[2] - totals[1]
    for images, total in totals.items():
        if total > one + (images - 1) * more:
            raise ModelError(f"{where}: {images} images have {total:,} values, more than {images} times those of one")

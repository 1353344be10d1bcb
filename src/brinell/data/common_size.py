"""The size that images have already, where all have one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from brinell.core import DataError
from brinell.data.reading.decoding import decode_image
from brinell.data.reading.files import read_regular
from brinell.data.reading.image_listing import SUFFIXES

_MOST: Final = 50
"""Folders of which the first image is looked at."""


def common_size(root: Path) -> tuple[int, int] | None:
    """The (height, width) of the first image of each folder below `root`, where all have the same.

    Args:
        root: Folder of images.

    Returns:
        The size; `None` where sizes differ, or where there are no images that can be read.

    Examples:
        >>> import pathlib
        >>> common_size(pathlib.Path("no such folder")) is None
        True
    """
    found: set[tuple[int, int]] = set()
    looked_at = 0
    for folder, folders, names in os.walk(root):
        folders.sort()
        images = sorted(name for name in names if Path(name).suffix.lower() in SUFFIXES)
        if not images:
            continue
        try:
            width, height = decode_image(read_regular(Path(folder, images[0])), 3).size
        except DataError:
            return None
        found.add((height, width))
        looked_at += 1
        if len(found) > 1 or looked_at >= _MOST:
            break
    return found.pop() if len(found) == 1 else None

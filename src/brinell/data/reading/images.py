"""Encoded images to bytes of one size."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable

import numpy as np
from PIL import Image

from brinell.core import DataError
from brinell.data.reading.decoding import check_encoded, known_formats, to_eight_bits

Fit = Callable[[Image.Image], Image.Image]


def decode(
    encoded: Iterable[bytes],
    count: int,
    size: tuple[int, int],
    name: Callable[[int], str],
    fit: Fit = lambda image: image,
) -> np.ndarray:
    """Decode `count` images (JPEG, PNG, ...) to RGB bytes `(count, 3, height, width)`; `fit` brings each to `size`.

    Raises:
        DataError: an image cannot be decoded, or has another size (height, width); the message begins with its `name`.
    """
    images = np.empty((count, 3, *size), dtype=np.uint8)
    for row, data in enumerate(encoded):
        try:
            with Image.open(io.BytesIO(data), formats=known_formats()) as image:
                check_encoded(*image.size, len(data))
                pixels = np.asarray(fit(to_eight_bits(image).convert("RGB")))
        except Exception as error:
            raise DataError(f"{name(row)} cannot be decoded: {error}") from error
        if pixels.shape[:2] != size:
            found, expected = (f"{height} x {width}" for height, width in (pixels.shape[:2], size))
            raise DataError(f"{name(row)} is {found} pixels; expected {expected}")
        images[row] = pixels.transpose(2, 0, 1)
    return images

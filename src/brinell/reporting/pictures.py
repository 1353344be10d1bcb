"""Pictures for the page: small, self-contained, never fetched."""

from __future__ import annotations

import base64
import io
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

EXACT = 64
"""Pixels of a side up to which a picture is kept exactly; larger ones are shrunk to `SHRUNK`, with loss."""
SHRUNK = 112
_QUALITY = 86

_STOPS: Final = np.array(
    [(48, 18, 59), (62, 114, 240), (28, 207, 212), (143, 245, 83), (245, 190, 50), (228, 77, 12), (122, 4, 3)],
    dtype=np.float64,
)
"""Dark blue to dark red, after Turbo (Mikhailov 2019): the colours of the paper, in even steps to the eye."""

Pixels = NDArray[np.uint8]


def pixels(image: NDArray[Any]) -> Pixels:
    """`(H, W)`, `(H, W, 1)` or `(H, W, 3)`, bytes or floats in [0, 1], as `(H, W, 3)` bytes.

    Raises:
        ValueError: it is no picture.
    """
    if image.ndim == 2:
        image = image[:, :, None]
    if image.ndim != 3 or image.shape[2] not in (1, 3) or 0 in image.shape:
        raise ValueError(f"a picture of shape {image.shape}")
    if image.dtype != np.uint8:
        image = (255 * np.nan_to_num(image).clip(0, 1)).round().astype(np.uint8)
    return np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image


def data_uri(image: Pixels) -> str:
    """The picture as an address that holds it: PNG, or JPEG where it is large."""
    height, width = image.shape[:2]
    picture, buffer = Image.fromarray(image), io.BytesIO()
    if width <= EXACT:
        picture.save(buffer, "PNG", optimize=True)
        return _uri("png", buffer)
    picture.thumbnail((SHRUNK, max(1, height * SHRUNK // width)))
    picture.save(buffer, "JPEG", quality=_QUALITY)
    return _uri("jpeg", buffer)


def heat(image: NDArray[Any], intensity: NDArray[Any]) -> Pixels:
    """A map of bytes `(H, W)` over a picture: blue is little, red is much."""
    picture = pixels(image).astype(np.float64)
    grey = picture.mean(axis=2, keepdims=True)
    place = (
        np.asarray(Image.fromarray(pixels(intensity)[:, :, 0]).resize(picture.shape[1::-1])) / 255 * (len(_STOPS) - 1)
    )
    low = np.minimum(place.astype(int), len(_STOPS) - 2)
    share = (place - low)[:, :, None]
    colours = _STOPS[low] * (1 - share) + _STOPS[low + 1] * share
    mixed: Pixels = (0.42 * grey + 0.58 * colours).clip(0, 255).round().astype(np.uint8)
    return mixed


def difference(clean: NDArray[Any], adversarial: NDArray[Any]) -> Pixels:
    """What was changed, grey where nothing was, the largest change at full strength."""
    change = np.nan_to_num(adversarial.astype(np.float64) - clean.astype(np.float64))
    most = float(np.abs(change).max())
    return pixels(0.5 + change / (2 * most) if most else np.full_like(change, 0.5))


def stack_vertically(images: list[Pixels]) -> Pixels:
    """One under the other, with a grey line between."""
    gap = np.full((max(1, images[0].shape[0] // 16), images[0].shape[1], 3), 128, dtype=np.uint8)
    parts = [part for image in images for part in (gap, image)][1:]
    return np.concatenate(parts)


def _uri(kind: str, buffer: io.BytesIO) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"

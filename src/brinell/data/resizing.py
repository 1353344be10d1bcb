"""How images of any size become images of one: scaled, cut, and with as many channels as a network takes."""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
from PIL import Image
from pydantic import Field, model_validator

from brinell.core import DataError
from brinell.data.reading.decoding import check_pixels
from brinell.data.source import Source

Interpolation = Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"]
Crop = Literal["center", "none"]

_FILTERS: Final = {name: Image.Resampling[name.upper()] for name in Interpolation.__args__}  # type: ignore[attr-defined]


class ResizedSource(Source):
    """A source of encoded images: what is done to each of them after it is decoded."""

    size: int | tuple[int, int] = 224
    """Height and width of the images that a network sees: one number, or both."""
    resize: int | None = Field(None, ge=1)
    """What the shorter side is scaled to before the middle is cut out; as little as `size` needs by default."""
    crop: Crop = "center"
    """`center` keeps proportions and cuts the middle out; `none` scales both sides to `size`."""
    interpolation: Interpolation = "bilinear"
    """Filter that scales the images."""
    channels: Literal[1, 3] = 3
    """1 for grey images, 3 for colour."""

    @model_validator(mode="after")
    def _fits(self) -> ResizedSource:
        height, width = self.height_width
        if min(height, width) < 1 or height * width > 1 << 24:
            raise ValueError(f"size needs numbers from 1 on, of at most {1 << 24:,} pixels, not {self.size}")
        if self.crop == "none" and self.resize is not None:
            raise ValueError("resize and crop: none exclude each other: both sides are scaled to size")
        if self.resize is not None and max(height, width) > self.resize:
            raise ValueError(f"size {self.size} cannot be cut out of a shorter side of resize {self.resize}")
        return self

    @property
    def height_width(self) -> tuple[int, int]:
        """Of an image as a network sees it."""
        return (self.size, self.size) if isinstance(self.size, int) else self.size

    def fit(self, image: Image.Image) -> np.ndarray:
        """The pixels `(channels, height, width)` of a decoded image, at `size`.

        Raises:
            DataError: scaled to `resize` it would have too many pixels.
        """
        height, width = self.height_width
        if self.crop == "none":
            target = (width, height)
        else:
            target = self._scaled(image.size)
            check_pixels(*target)
        check_pixels(target[0], image.size[1])  # Pillow scales the width first
        if image.size != target:
            image = image.resize(target, _FILTERS[self.interpolation])
        left, top = round((target[0] - width) / 2), round((target[1] - height) / 2)
        pixels = np.asarray(image.crop((left, top, left + width, top + height)))
        return pixels.reshape(height, width, self.channels).transpose(2, 0, 1)

    def _scaled(self, size: tuple[int, int]) -> tuple[int, int]:
        """Width and height before the middle is cut out."""
        height, width = self.height_width
        least = (width, height) if self.resize is None else (self.resize, self.resize)
        factor = max(low / side for low, side in zip(least, size, strict=True))
        scaled = [max(low, round(side * factor)) for low, side in zip(least, size, strict=True)]
        return (scaled[0], scaled[1])


def check_labels(labels: np.ndarray, classes: int, where: str) -> None:
    """Refuse labels that are no class.

    Raises:
        DataError: the range found, and the one expected.
    """
    if labels.size and (labels.min() < 0 or labels.max() >= classes):
        raise DataError(
            f"{where}: expected labels 0 to {classes - 1}, found {labels.min()} to {labels.max()}"
            + ("; -1 often marks a split without labels" if labels.min() == -1 else "")
        )

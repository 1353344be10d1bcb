"""One encoded image to pixels: upright, opaque, in 8 bits, of a size that is bounded before anything is decoded."""

from __future__ import annotations

import io
from functools import cache
from typing import Final

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from brinell.core import DataError

FORMATS: Final = ("JPEG", "PNG", "BMP", "WEBP", "GIF", "TIFF", "PPM", "AVIF")
"""What is decoded, by Pillow's names. Others may start programs (EPS) or hold no photograph."""

MOST_PIXELS: Final = 89_478_485
"""Of an image as it is stored and as it is resized: Pillow's own limit, 256 MiB of RGB."""

SMALL_PIXELS: Final = 1 << 24
"""That any file may declare."""
PIXELS_A_BYTE: Final = 1024
"""That larger files may declare; white photographs in PNG have as many."""
_ROWS: Final = 64
"""Of a 16-bit image, scaled at once."""


def decode_image(data: bytes, channels: int) -> Image.Image:
    """An upright image of mode `RGB` or, for one channel, `L`.

    EXIF rotation is applied. Transparent pixels are laid over white, CMYK becomes RGB, 16 bits are scaled to 8, and of
    an animation the first frame counts.

    Raises:
        DataError: the bytes are no image of a known format, damaged, or of too many pixels.
    """
    try:
        with Image.open(io.BytesIO(data), formats=known_formats()) as image:
            check_encoded(*image.size, len(data))
            return _opaque(ImageOps.exif_transpose(image), "RGB" if channels == 3 else "L")
    except DataError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise DataError(f"has too many pixels; at most {MOST_PIXELS:,} are accepted") from None
    except UnidentifiedImageError:
        raise DataError("cannot be decoded: it is no image of a known format, or its header is damaged") from None
    except Exception as error:  # decoders raise whatever they meet
        raise DataError(f"cannot be decoded: {' '.join(str(error).split())[:200] or type(error).__name__}") from error


@cache
def known_formats() -> tuple[str, ...]:
    """As many of `FORMATS` as this Pillow decodes."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def check_encoded(width: int, height: int, size: int) -> None:
    """Refuse an image of `size` bytes that declares more pixels than such a file is likely to hold.

    Raises:
        DataError: there are more than `MOST_PIXELS`, or more than `SMALL_PIXELS` and `PIXELS_A_BYTE` for each byte.
    """
    check_pixels(width, height)
    most = max(SMALL_PIXELS, PIXELS_A_BYTE * size)
    if width * height > most:
        raise DataError(f"has {width} x {height} pixels in {size:,} bytes; at most {most:,} are accepted")


def check_pixels(width: int, height: int) -> None:
    """Refuse an image that would take too much memory.

    Raises:
        DataError: there are more than `MOST_PIXELS` pixels.
    """
    if width * height > MOST_PIXELS:
        raise DataError(f"has {width} x {height} pixels; at most {MOST_PIXELS:,} are accepted")


def to_eight_bits(image: Image.Image) -> Image.Image:
    """The image with 8 bits a channel; pixels of 16 bits are scaled, which Pillow's own conversion clips at 255.

    Raises:
        DataError: pixels are floating-point, outside 16 bits, or of 16 bits with one transparent colour, which Pillow
            compares with the pixels after it has changed them.
    """
    if image.mode == "F":
        raise DataError("holds floating-point pixels, whose range no file tells; save it with 8 or 16 bits")
    sixteen = image.mode == "I" or image.mode.startswith("I;16")
    transparent = image.info.get("transparency")
    numbers = transparent if isinstance(transparent, tuple) else (transparent,)
    if (sixteen and transparent is not None) or any(isinstance(level, int) and level > 255 for level in numbers):
        raise DataError("has 16 bits and a transparent colour; save it with 8 bits, or with an alpha channel")
    if not sixteen:
        return image
    levels = np.asarray(image)
    if levels.min() < 0 or levels.max() > 65535:
        raise DataError(f"holds pixels from {levels.min()} to {levels.max()}; expected 8 or 16 bits")
    scaled = np.empty(levels.shape, np.uint8)
    for row in range(0, len(levels), _ROWS):  # a whole photograph in 32 bits takes several times its file's memory
        scaled[row : row + _ROWS] = (levels[row : row + _ROWS].astype(np.uint32) * 255 + 32767) // 65535
    return Image.fromarray(scaled)


def _opaque(image: Image.Image, mode: str) -> Image.Image:
    image = to_eight_bits(image)
    if image.has_transparency_data:
        opaque = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(opaque, image.convert("RGBA"))
    return image.convert(mode)

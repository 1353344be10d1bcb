"""Images as cameras and programs write them: upright, opaque, 8 bits; and what is refused."""

from __future__ import annotations

import io
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from brinell.core import DataError
from brinell.data.reading import decoding
from brinell.data.reading.decoding import decode_image
from brinell.data.reading.images import decode

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)


def encoded(image: Image.Image, kind: str = "png", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def pixels(data: bytes, channels: int = 3) -> np.ndarray:
    return np.asarray(decode_image(data, channels))


@pytest.mark.parametrize(
    ("orientation", "upright"),
    [
        (1, lambda stored: stored),
        (2, lambda stored: stored[:, ::-1]),
        (3, lambda stored: stored[::-1, ::-1]),
        (6, lambda stored: stored.transpose(1, 0, 2)[:, ::-1]),
        (8, lambda stored: stored.transpose(1, 0, 2)[::-1]),
    ],
)
def test_exif_orientation_is_applied(orientation: int, upright: Any) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert np.array_equal(pixels(encoded(Image.fromarray(PIXELS), exif=exif)), upright(PIXELS))


@pytest.mark.parametrize("kind", ["png", "tiff", "ppm"])
def test_16_bits_are_scaled_and_do_not_saturate(kind: str) -> None:
    levels = np.array([[0, 128, 255, 256], [257, 32768, 65278, 65535]], dtype=np.uint16)
    data = encoded(Image.fromarray(levels), kind)
    expected = np.rint(levels / 257).astype(np.uint8)
    assert np.array_equal(pixels(data, 1), expected)
    assert np.array_equal(pixels(data, 3), np.stack([expected] * 3, 2))


def sixteen_bits(levels: list[int], *more: bytes) -> bytes:
    """A PNG of one pixel with 16 bits: one level is grey, three are a colour."""
    row = b"\0" + np.array(levels, dtype=">u2").tobytes()
    header = b"IHDR" + (1).to_bytes(4, "big") * 2 + bytes([16, 0 if len(levels) == 1 else 2, 0, 0, 0])
    chunks = [header, *more, b"IDAT" + zlib.compress(row), b"IEND"]
    body = b"".join(
        (len(chunk) - 4).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big") for chunk in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


def test_16_bit_colours_keep_their_high_byte() -> None:
    assert pixels(sixteen_bits([0x1234, 0xABCD, 0xFFFF])).tolist() == [[[0x12, 0xAB, 0xFF]]]


@pytest.mark.parametrize("levels", [[300], [7], [0x1234, 0xABCD, 0xFFFF]])
def test_a_transparent_colour_of_16_bits_is_refused(levels: list[int]) -> None:
    """Pillow compares it with pixels of 8 bits, so that the transparent ones would show."""
    transparent = b"tRNS" + np.array(levels, dtype=">u2").tobytes()
    assert refusal(sixteen_bits(levels, transparent)).startswith("has 16 bits and a transparent colour")


def test_16_bits_are_scaled_in_tables_of_images_too() -> None:
    levels = np.array([[0, 128, 256, 65535]], dtype=np.uint16)
    (image,) = decode([encoded(Image.fromarray(levels))], 1, (1, 4), "row {}".format)
    assert image[0].tolist() == [[0, 0, 1, 255]]
    with pytest.raises(DataError, match="row 0 cannot be decoded: holds floating-point pixels"):
        decode([encoded(Image.new("F", (2, 2)), "tiff")], 1, (2, 2), "row {}".format)


def test_grey_becomes_three_equal_channels_and_colours_one() -> None:
    grey = PIXELS[:, :, 0]
    assert np.array_equal(pixels(encoded(Image.fromarray(grey))), np.stack([grey] * 3, 2))
    luma = PIXELS @ np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
    assert np.abs(pixels(encoded(Image.fromarray(PIXELS)), 1) - luma).max() <= 1


def test_one_bit_is_black_and_white() -> None:
    bits = Image.fromarray(np.array([[0, 255], [255, 0]], dtype=np.uint8)).convert("1")
    assert pixels(encoded(bits), 1).tolist() == [[0, 255], [255, 0]]


def test_transparency_is_laid_over_white() -> None:
    rgba = np.dstack([PIXELS, np.zeros((5, 7), dtype=np.uint8)])
    rgba[0, 0, 3], rgba[0, 1] = 255, (0, 0, 0, 51)
    out = pixels(encoded(Image.fromarray(rgba)))
    assert np.array_equal(out[0, 0], PIXELS[0, 0])
    assert out[0, 1].tolist() == [204] * 3
    assert (out[1:] == 255).all(), "hidden colours show"


def test_transparent_colours_of_a_palette_are_white() -> None:
    image = Image.fromarray(np.array([[0, 1]], dtype=np.uint8), mode=None).convert("P")
    image.putpalette([10, 20, 30, 40, 50, 60])
    assert pixels(encoded(image, transparency=0)).tolist() == [[[255, 255, 255], [40, 50, 60]]]


def test_cmyk_becomes_rgb() -> None:
    cyan = Image.new("CMYK", (8, 8), (255, 0, 0, 0))
    for kind in ("tiff", "jpeg"):
        out = pixels(encoded(cyan, kind)).astype(int)
        assert np.abs(out - np.array([0, 255, 255])).max() <= 3


def test_the_first_frame_of_an_animation_counts() -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "lime")]
    for kind in ("gif", "webp", "png"):
        options = {"lossless": True} if kind == "webp" else {}
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
        assert (pixels(data) == (255, 0, 0)).all()


def refusal(data: bytes) -> str:
    with pytest.raises(DataError) as caught:
        decode_image(data, 3)
    return str(caught.value)


@pytest.mark.parametrize("data", [b"", b"junk" * 50, encoded(Image.fromarray(PIXELS))[:60]])
def test_what_is_no_image_is_refused(data: bytes) -> None:
    assert refusal(data).startswith("cannot be decoded: ")


def test_floating_point_pixels_are_refused() -> None:
    assert "holds floating-point pixels" in refusal(encoded(Image.new("F", (2, 2)), "tiff"))


def test_32_bit_pixels_outside_16_bits_are_refused() -> None:
    levels = Image.fromarray(np.array([[0, 70000]], dtype=np.int32))
    assert "holds pixels from 0 to 70000" in refusal(encoded(levels, "tiff"))


def test_programs_that_draw_are_no_images() -> None:
    """Pillow starts Ghostscript for PostScript."""
    assert refusal(encoded(Image.fromarray(PIXELS), "eps")).startswith("cannot be decoded")


@pytest.mark.parametrize("side", [9_460, 40_000])
def test_decompression_bombs_are_refused_before_they_are_decoded(side: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The header alone tells the size; the second is so large that Pillow refuses it by itself."""
    data = bytearray(encoded(Image.new("1", (8, 8))))
    data[16:24] = side.to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    monkeypatch.setattr(Image.Image, "convert", None)
    assert "too many pixels" in refusal(bytes(data)) or f"has {side} x {side} pixels" in refusal(bytes(data))


def test_an_image_of_the_largest_size_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "MOST_PIXELS", 35)
    assert pixels(encoded(Image.fromarray(PIXELS))).shape == (5, 7, 3)
    monkeypatch.setattr(decoding, "MOST_PIXELS", 34)
    assert refusal(encoded(Image.fromarray(PIXELS))) == "has 7 x 5 pixels; at most 34 are accepted"

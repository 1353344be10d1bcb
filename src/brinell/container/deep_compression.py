"""Files of Deep Compression's authors (`.net`, Han 2016): pruned networks with shared weights, as released.

Little-endian, without a magic number and without shapes, which the architecture supplies. First a uint32 for each
layer, how many entries it stores. Then layer after layer: a float32 code book (256 values for a convolution, 16 for a
linear layer), float32 biases, the entries' codes (8 bits each, or 4, the lower half of a byte first), and their gaps (4
bits each, in the same order). An entry lies its gap plus one places behind the entry before it. A gap of 15 whose code
is 0, which stands for 0.0, is a filler: the way to a weight that is further than 15 zeros away.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from brinell.core import StoreError, open_regular_file
from brinell.models import MODELS
from brinell.variants import Step, Variant

PUBLISHED: Final[dict[str, Any]] = {
    "size": 227,
    "mean": (123 / 255, 117 / 255, 104 / 255),
    "std": (1 / 255, 1 / 255, 1 / 255),
    "channel_order": "bgr",
    "classifier_padding": 1,
}
"""What an architecture must be set to for the released networks, as far as it has the setting: images of 227 x 227
pixels on a scale of 0 to 255, blue first, less the channels' means; SqueezeNet's last layer as its authors had it."""

_FILLER: Final = 15


class _Layer(NamedTuple):
    name: str
    weight: torch.Tensor
    bias: torch.Tensor
    code_bits: int

    def bytes(self, entries: int) -> int:
        """Bytes of the file that it takes."""
        return 4 * (1 << self.code_bits) + 4 * self.bias.numel() + -(-entries * self.code_bits // 8) + -(-entries // 2)


def read_deep_compression(path: Path, kind: str, fields: Mapping[str, Any] | None = None) -> Variant:
    """The variant that a `.net` file of the architecture `kind` holds; `fields` go over what was `PUBLISHED` with it.

    The file's layers are those of the bare network in the order of its modules.

    Args:
        path: The `.net` file.
        kind: Kind of the architecture.
        fields: Settings of the file's format that differ from those of the published files.

    Returns:
        The variant.

    Raises:
        ConfigurationError: no such architecture, or no such field.
        StoreError: the file is missing, truncated, too long, or of another architecture.
    """
    member = MODELS[kind]
    known = {name: value for name, value in PUBLISHED.items() if name in member.model_fields}
    architecture = member.parse({**known, **(fields or {})}, kind)
    module = architecture.module()
    try:
        layers = list(_layers(module))
        source = _Source(_bytes(path, sum(layer.weight.numel() for layer in layers)))
        counts = _counts(source, layers)
        fillers = sum(_fill(source, layer, count) for layer, count in zip(layers, counts, strict=True))
    except StoreError as error:
        raise StoreError(f"cannot read {path} as a Deep Compression file of {kind}: {error}") from None
    figures = {"entries": sum(counts), "fillers": fillers, "bytes": source.size}
    step = Step("import_deep_compression", {"file": Path(path).name}, 0, figures)
    variant = Variant.of(module, input_shape=architecture.input_shape, classes=architecture.classes)
    return variant.child(module, step)


def _layers(module: nn.Module) -> Iterator[_Layer]:
    for name, layer in module.named_modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            if layer.bias is None:
                raise StoreError(f"{name!r} has no biases, which such files always have")
            yield _Layer(name, layer.weight.data, layer.bias.data, 8 if isinstance(layer, nn.Conv2d) else 4)


def _bytes(path: Path, weights: int) -> bytes:
    """The file, of which no more is read than `weights` could take."""
    limit = 1 << 20 | 4 * weights
    try:
        with open_regular_file(Path(path)) as file:
            size = os.fstat(file.fileno()).st_size
            if size > limit:
                raise StoreError(f"it has {size} bytes, more than {weights} weights can take")
            return file.read(limit)
    except OSError as error:
        raise StoreError(str(error)) from error


class _Source:
    """Bytes from front to back, of which there are enough."""

    def __init__(self, data: bytes) -> None:
        self.data, self.size, self.at = data, len(data), 0

    def take(self, count: int, dtype: str) -> npt.NDArray[Any]:
        found = np.frombuffer(self.data, dtype, count, self.at)
        self.at += found.nbytes
        return found

    def nibbles(self, count: int) -> npt.NDArray[np.uint8]:
        """Values of 4 bits, the lower half of a byte first."""
        packed = self.take(-(-count // 2), "u1")
        return np.stack([packed & 15, packed >> 4], 1).reshape(-1)[:count]


def _counts(source: _Source, layers: list[_Layer]) -> list[int]:
    """The numbers of entries, after they have been found to make up exactly this file."""
    if source.size < 4 * len(layers):
        raise StoreError(f"it has {source.size} bytes: it is truncated")
    counts: list[int] = source.take(len(layers), "<u4").tolist()
    for layer, count in zip(layers, counts, strict=True):
        if count > layer.weight.numel():
            raise StoreError(
                f"it has {count} entries for the {layer.weight.numel()} weights of {layer.name!r}: "
                "it is of another architecture"
            )
    needed = source.at + sum(layer.bytes(count) for layer, count in zip(layers, counts, strict=True))
    if needed != source.size:
        raise StoreError(
            f"its {len(layers)} layers would take {needed} bytes, and it has {source.size}: "
            "it is truncated, has something behind it, or is of another architecture"
        )
    return counts


def _fill(source: _Source, layer: _Layer, count: int) -> int:
    """Fill one layer's tensors; the number of fillers among its entries."""
    size = layer.weight.numel()
    book, bias = source.take(1 << layer.code_bits, "<f4"), source.take(layer.bias.numel(), "<f4")
    codes = source.take(count, "u1") if layer.code_bits == 8 else source.nibbles(count)
    gaps = source.nibbles(count)
    places = np.cumsum(gaps.astype(np.int64) + 1) - 1
    fillers = (gaps == _FILLER) & (codes == 0)
    if count and int(places[-1]) >= size:
        raise StoreError(f"an entry of {layer.name!r} lies at {int(places[-1])} of {size} weights")
    if book[0] != 0 or not (np.isfinite(book).all() and np.isfinite(bias).all()):
        raise StoreError(f"the code book of {layer.name!r} does not begin with 0, or a value is not finite")
    flat = np.zeros(size, np.float32)
    flat[places] = book[codes]
    layer.weight.copy_(torch.from_numpy(flat).view(layer.weight.shape))
    layer.bias.copy_(torch.from_numpy(bias.copy()))
    return int(fillers.sum())

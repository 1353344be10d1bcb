"""Variants as compressors leave them, made at once instead of trained; and the insides of a file, to rearrange."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from brinell.container import write
from brinell.models import MODELS
from brinell.variants import ABCLayers, BinaryLayers, Step, Variant, rebuild

PREFIX = struct.Struct("<8sIIII")
SHAPE = (1, 8, 8)


class Mixed(nn.Module):
    """A user's own module with tensors of every type, of no elements, and of no dimensions."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(seed)
        for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
            self.register_buffer(f"of_{str(dtype)[6:]}", torch.randn(9, 7, generator=draw).to(dtype))
        for dtype in (torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64):
            self.register_buffer(f"of_{str(dtype)[6:]}", torch.randint(0, 99, (5, 3), generator=draw).to(dtype))
        self.register_buffer("of_bool", torch.rand(11, generator=draw) < 0.5)
        self.register_buffer("empty", torch.zeros(0, 3))
        self.register_buffer("scalar", torch.tensor(-0.0))
        self.register_buffer("tiny", torch.tensor([1e-45, -1e-45, 0.0, -0.0, 3e38, 1.0]))


def weights(change: Callable[[Tensor], Tensor], seed: int = 0) -> Variant:
    """ResNet-8 with its convolutions and its last layer changed."""
    module = MODELS["resnet8"].parse({}).module(seed)
    for parameter in module.parameters():
        if parameter.dim() > 1:
            parameter.data = change(parameter.data)
    base = Variant.of(MODELS["resnet8"].parse({}).module(seed), input_shape=SHAPE, classes=10)
    return base.child(module, Step("sample", {"share": 0.5, "name": "é"}, 7, {"loss": 0.25}))


def pruned(share: float = 0.9) -> Callable[[Tensor], Tensor]:
    return lambda weight: weight * (weight.abs() > weight.abs().quantile(share))


def powers(weight: Tensor) -> Tensor:
    """Five levels: zero, and two powers of two of either sign."""
    largest = torch.floor(torch.log2(4 * weight.abs().max() / 3))
    exponent = torch.round(torch.log2(weight.abs().clamp_min(1e-9))).clamp(largest - 1, largest)
    return torch.where(weight.abs() < 2.0 ** (largest - 2), 0.0, weight.sign() * torch.exp2(exponent))


def shared_values(weight: Tensor) -> Tensor:
    """Sixteen values that are no powers of two."""
    step = (weight.max() - weight.min()) / 15
    return ((weight - weight.min()) / step).round() * step + weight.min()


def steps(weight: Tensor) -> Tensor:
    """Whole numbers of 8 bits, with a scale a filter."""
    scale = weight.flatten(1).abs().amax(1).view(-1, *[1] * (weight.dim() - 1)) / 127
    return (weight / scale).round() * scale + 0.0


def binary(seed: int = 0) -> Variant:
    """ResNet-8 with binary convolutions inside."""
    module = MODELS["resnet8"].parse({}).module(seed)
    base = Variant.of(module, input_shape=SHAPE, classes=10)
    names = tuple(name for name, part in module.named_modules() if isinstance(part, nn.Conv2d))[1:]
    change = BinaryLayers(layers=names)
    return base.child(rebuild(module, [change], latent=True), Step("xnor_net", {}, 0), structure=(change,))


def abc(seed: int = 0) -> Variant:
    """ResNet-8 with convolutions of three binary bases inside."""
    module = MODELS["resnet8"].parse({}).module(seed)
    base = Variant.of(module, input_shape=SHAPE, classes=10)
    names = tuple(name for name, part in module.named_modules() if isinstance(part, nn.Conv2d))[1:]
    change = ABCLayers(layers=names, weight_bases=3, activation_bases=2, scales="filter")
    return base.child(rebuild(module, [change], latent=True), Step("abc_net", {}, 0), structure=(change,))


def mixed(seed: int = 0) -> Variant:
    return Variant.of(Mixed(seed), input_shape=SHAPE, classes=10)


VARIANTS: dict[str, Callable[[], Variant]] = {
    "dense": lambda: weights(lambda weight: weight),
    "pruned": lambda: weights(pruned()),
    "half": lambda: weights(pruned(0.5)),
    "powers": lambda: weights(powers),
    "sparse-powers": lambda: weights(lambda weight: powers(pruned()(weight))),
    "shared": lambda: weights(shared_values),
    "sparse-shared": lambda: weights(lambda weight: shared_values(weight) * (weight.abs() > weight.abs().median())),
    "steps": lambda: weights(steps),
    "sparse-steps": lambda: weights(lambda weight: steps(pruned(0.7)(weight))),
    "filters": lambda: weights(
        lambda weight: weight.sign() * weight.abs().flatten(1).mean(1).view(-1, *[1] * (weight.dim() - 1))
    ),
    "zero": lambda: weights(torch.zeros_like),
    "binary": binary,
    "nested-bits": abc,
    "mixed": mixed,
}


def skeleton(name: str) -> nn.Module | None:
    """What `read` needs beside the file."""
    return Mixed(seed=1) if name == "mixed" else None


def same(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> bool:
    """Whether names, types, shapes and every bit are equal."""
    return list(first) == list(second) and all(
        first[name].dtype == second[name].dtype
        and first[name].shape == second[name].shape
        and bits(first[name]).equal(bits(second[name]))
        for name in first
    )


def bits(tensor: Tensor) -> Tensor:
    return tensor.contiguous().reshape(-1).view(torch.uint8)


def taken_apart(data: bytes) -> tuple[dict[str, Any], list[bytes]]:
    """A file's header, and its streams as they stand in it."""
    _, _, length, _, _ = PREFIX.unpack_from(data)
    header = json.loads(zlib.decompress(data[PREFIX.size : PREFIX.size + length], -15))
    streams, at = [], PREFIX.size + length
    for section in header["sections"]:
        for size, _, _ in section["streams"]:
            streams.append(data[at : at + size])
            at += size
    return header, streams


def put_together(header: Any, streams: list[bytes]) -> bytes:
    """A file with an honest checksum, whatever is in its header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    packed = squeezed(text)
    checksum = zlib.crc32(packed, zlib.crc32(struct.pack("<III", 1, len(packed), len(text))))
    return PREFIX.pack(b"\x89BRINELL", 1, len(packed), len(text), checksum) + packed + b"".join(streams)


def squeezed(data: bytes) -> bytes:
    stream = zlib.compressobj(9, zlib.DEFLATED, -15)
    return stream.compress(data) + stream.flush()


def file_of(variant: Variant, path: Path) -> bytes:
    write(variant, path)
    return path.read_bytes()

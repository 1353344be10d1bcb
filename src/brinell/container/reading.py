"""From a file to a variant: the network is known, and every shape agreed on, before a single value is decoded."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from brinell.container.agreement import check_classes, check_declared
from brinell.container.bit_patterns import Bytes, tensors_of
from brinell.container.codings import Coding
from brinell.container.deflate import inflate
from brinell.container.header import Header, StreamEntry, TensorGroup, read_header
from brinell.core import BrinellError, StoreError, open_regular_file
from brinell.models import ARCHITECTURES, Architecture
from brinell.nn import copy_module, deploy
from brinell.variants import CHANGES, Step, StructureChange, Variant, check_own_weights, rebuild

_LONGEST = 400


def read(path: Path, *, model: nn.Module | None = None) -> Variant:
    """The variant in `path`, its tensors bit-equal to those that were saved.

    Memory is bounded by 1032 times the file's size.

    Args:
        path: The file.
        model: Instance of the network, of which a copy is kept: needed where the file names no architecture (a user's
            own module), and elsewhere taken instead of the one it names.

    Returns:
        The variant.

    Raises:
        StoreError: the file is missing, damaged, of a newer version, of another network than `model`, or of one that
            is not installed; or it names no architecture and `model` is not given.

    Examples:
        >>> import brinell, pathlib, tempfile
        >>> variant = brinell.testing.digits_variant(examples=60)[0]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder) / "digits.brinell"
        ...     size = write(variant, path)
        ...     read(path).tensors.keys() == variant.tensors.keys()
        True
    """
    with open_container(path) as (file, size):
        header, _ = read_header(file, size)
        network = _network(header, model)
        structure = tuple(CHANGES.parse(change, f"structure[{at}]") for at, change in enumerate(header.structure))
        if model is not None and isinstance(network, nn.Module):
            logits = check_own_weights(network, model, header.input_shape)
            check_classes(header, logits if not structure else None)
        frame = _frame(network, structure)
        names = _agree(header, frame)
        if isinstance(network, Architecture):
            check_declared(header, network, frame, structure)
        codings = [section.parsed() for section in header.sections]
        tensors: dict[str, Tensor] = {}
        for section, coding in zip(header.sections, codings, strict=True):
            tensors |= _decode(file, section, coding)
        tensors |= {name: tensors[other] for name, other in header.aliases.items()}
    return Variant(
        tensors={name: tensors[name] for name in names},
        input_shape=header.input_shape,
        classes=header.classes,
        architecture=network if isinstance(network, Architecture) else None,
        structure=structure,
        lineage=tuple(Step(step.kind, step.settings, step.seed, step.figures) for step in header.lineage),
        skeleton=network if isinstance(network, nn.Module) else None,
        frozen=header.frozen,
    )


@contextmanager
def open_container(path: Path) -> Iterator[tuple[BinaryIO, int]]:
    """The open file and its size; whatever is wrong with it becomes one `StoreError` that names it."""
    path = Path(path)
    try:
        with open_regular_file(path) as file:
            yield file, os.fstat(file.fileno()).st_size
    except FileNotFoundError:
        raise StoreError(f"cannot read {path}: there is no such file") from None
    except BrinellError as error:
        raise StoreError(f"cannot read {path}: {_brief(error)}") from None
    except (OSError, MemoryError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else _brief(error)
        raise StoreError(f"cannot read {path}: {reason or 'it does not fit into memory'}") from error


def _network(header: Header, model: nn.Module | None) -> Architecture | nn.Module:
    if model is not None:
        architecture = getattr(model, "architecture", None)
        return architecture if isinstance(architecture, Architecture) else deploy(model)
    if header.architecture is None:
        raise StoreError("it holds a user's own module; load it with model=<an instance of that module>")
    return ARCHITECTURES.parse(header.architecture, "architecture")


def _frame(network: Architecture | nn.Module, structure: tuple[StructureChange, ...]) -> nn.Module:
    """The network that ships. An architecture's has shapes and no memory: its fields may be anything."""
    try:
        if isinstance(network, nn.Module):
            return rebuild(copy_module(network), structure) if structure else network
        with torch.device("meta"), _Undrawn():
            return rebuild(network.module(), structure)
    except (RuntimeError, ValueError, TypeError, AttributeError, ArithmeticError) as error:
        raise StoreError(f"its network cannot be built: {error}") from None


class _Undrawn(TorchFunctionMode):
    """Leaves out the drawing of fresh weights, which without memory only takes time."""

    def __torch_function__(
        self, function: Any, types: Any, arguments: tuple[Any, ...] = (), options: dict[str, Any] | None = None
    ) -> Any:
        if function in (Tensor.normal_, Tensor.uniform_):
            return arguments[0]
        return function(*arguments, **(options or {}))


def _agree(header: Header, module: nn.Module) -> list[str]:
    """The tensors' names in the network's order, after names and shapes have been compared."""
    declared = header.shapes
    state = module.state_dict().items()
    wanted = {name: tuple(tensor.shape) for name, tensor in state if isinstance(tensor, Tensor)}
    problems = [f"{name!r} is missing" for name in wanted if name not in declared]
    problems += [f"{name!r} is not part of the network" for name in declared if name not in wanted]
    problems += [
        f"{name!r} is {declared[name]} in the file and {shape} in the network"
        for name, shape in wanted.items()
        if declared.get(name, shape) != shape
    ]
    if problems:
        more = f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise StoreError(
            f"it was saved from another network than {type(module).__name__}: {'; '.join(problems[:3])}{more}"
        )
    return list(wanted)


def _decode(file: BinaryIO, section: TensorGroup, coding: Coding) -> dict[str, Tensor]:
    try:
        streams = [_stream(file, entry) for entry in section.streams]
        bits = coding.decode(streams, section.layout)
        tensors = tensors_of(bits, section.layout, [tensor.shape for tensor in section.tensors])
    except StoreError as error:
        raise StoreError(f"{section.tensors[0].name!r}: {error}") from None
    return {entry.name: tensor for entry, tensor in zip(section.tensors, tensors, strict=True)}


def _stream(file: BinaryIO, entry: StreamEntry) -> Bytes:
    data = inflate(file.read(entry.length), entry.inflated)
    if zlib.crc32(data) != entry.checksum:
        raise StoreError("a stream is damaged: its checksum differs")
    return np.frombuffer(data, np.uint8)


def _brief(error: BaseException) -> str:
    line = str(error).partition("\n")[0]
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."

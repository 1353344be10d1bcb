"""From a variant to a file."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import torch
from pydantic import ValidationError
from torch import Tensor

from brinell.container.bit_patterns import DTYPES, BitPatterns, count_nonfinite
from brinell.container.deflate import ATTEMPTS, Effort
from brinell.container.header import Header, StepEntry, StreamEntry, TensorEntry, TensorGroup, pack_header
from brinell.container.select_coding import Encoded, encode
from brinell.core import ConfigurationError, StoreError, explain
from brinell.store import atomic_path
from brinell.variants import Variant

_SMALL: Final = 1 << 14
"""Bytes up to which vectors and scalars share a section unasked: batch norms, biases, counters."""

_WORTH_COMPARING: Final = 64
"""Numbers that a matrix must have to be looked for among others: fewer may be equal by chance, and take few bytes."""

_SHORT: Final = 1 << 15
"""Encoded bytes up to which neighbours may share one: tables of Huffman codes take some percent of so few."""


def write(variant: Variant, path: Path, *, effort: Effort = "default") -> int:
    """Write `variant` to `path`, atomically.

    Args:
        variant: The variant.
        path: The file; an existing one is replaced.
        effort: Changes size and time only: `fast` compresses one likely lay-out of each tensor, `default` the three
            likeliest, `best` six, each with more attempts. The same variant and effort give the same bytes.

    Returns:
        Size of the file in bytes.

    Raises:
        ConfigurationError: there is no such effort.
        StoreError: a tensor holds NaN or infinite values or is of a type that files do not hold, or the file cannot be
            written.

    Examples:
        >>> import brinell, pathlib, tempfile
        >>> variant = brinell.testing.digits_variant(examples=60)[0]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder) / "digits.brinell"
        ...     write(variant, path, effort="fast") == path.stat().st_size
        True
    """
    if effort not in ATTEMPTS:
        raise ConfigurationError(f"effort: unknown effort {effort!r}; accepted: {', '.join(ATTEMPTS)}")
    sections, payload = [], []
    aliases = find_duplicates(variant.tensors)
    tensors = {name: tensor for name, tensor in variant.tensors.items() if name not in aliases}
    for names, encoded in _encoded(tensors, effort):
        sections.append(_section({name: tensors[name] for name in names}, encoded))
        payload += [stream.data for stream in encoded.streams]
    parts = [pack_header(_header(variant, sections, aliases)), *payload]
    with atomic_path(Path(path)) as temporary, temporary.open("wb") as file:
        file.writelines(parts)
    return sum(map(len, parts))


def find_duplicates(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """Names of tensors that need not be stored, each with the name that its values are stored under.

    Those are tensors that the network has under two names, and matrices with the same bits as one before: tied weights.
    """
    first: dict[Any, str] = {}
    aliases = {}
    for name, tensor in tensors.items():
        other = first.setdefault(id(tensor), name)
        if other == name and tensor.dim() > 1 and tensor.numel() >= _WORTH_COMPARING:
            raw = tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy()
            other = first.setdefault((tensor.dtype, tensor.shape, hashlib.sha256(raw.tobytes()).digest()), name)
        if other != name:
            aliases[name] = other
    return aliases


def _encoded(tensors: Mapping[str, Tensor], effort: Effort) -> Iterator[tuple[list[str], Encoded]]:
    """Sections as they will stand in the file."""
    if effort == "best":
        for names, _ in _joined(tensors, "default"):
            yield names, encode(_vector(tensors, names), effort)
    else:
        yield from _joined(tensors, effort)


def _joined(tensors: Mapping[str, Tensor], effort: Effort) -> Iterator[tuple[list[str], Encoded]]:
    """Sections of which neighbours are joined where their tables cost more than they differ; `fast` joins none."""
    last: tuple[list[str], Encoded] | None = None
    for names in group_tensors(tensors):
        fresh = names, encode(_vector(tensors, names), effort)
        if last is None:
            last = fresh
            continue
        both = last[0] + names
        short = max(last[1].size, fresh[1].size) <= _SHORT and effort != "fast"
        if short and tensors[both[0]].dtype == tensors[names[0]].dtype:
            joined = encode(_vector(tensors, both), effort)
            if joined.cost < last[1].cost + fresh[1].cost:
                last = both, joined
                continue
        yield last
        last = fresh
    if last is not None:
        yield last


def _vector(tensors: Mapping[str, Tensor], names: list[str]) -> BitPatterns:
    return BitPatterns.of([tensors[name] for name in names])


def group_tensors(tensors: Mapping[str, Tensor]) -> Iterator[list[str]]:
    """Names of tensors that are encoded together: a matrix alone, small vectors by type and last name."""
    small: dict[tuple[torch.dtype, str], list[str]] = {}
    for name, tensor in tensors.items():
        _check(name, tensor)
        if tensor.dim() > 1 or tensor.nbytes > _SMALL:
            yield [name]
        else:
            small.setdefault((tensor.dtype, name.rpartition(".")[2]), []).append(name)
    yield from small.values()


def _check(name: str, tensor: Tensor) -> None:
    if tensor.dtype not in DTYPES.values() or tensor.layout is not torch.strided:
        raise StoreError(
            f"{name}: tensors of {tensor.dtype} ({tensor.layout}) cannot be saved; {', '.join(DTYPES)} can"
        )
    vector = BitPatterns.of([tensor])
    bad = count_nonfinite(vector.bits, vector.layout)
    if bad:
        raise StoreError(f"{name}: {bad} of {tensor.numel()} values are NaN or infinite; such a network is not saved")


def _section(tensors: Mapping[str, Tensor], encoded: Encoded) -> TensorGroup:
    return TensorGroup(
        coding=encoded.coding.config(),
        dtype=str(next(iter(tensors.values())).dtype).removeprefix("torch."),
        tensors=tuple(TensorEntry(name, tuple(tensor.shape)) for name, tensor in tensors.items()),
        streams=tuple(StreamEntry(len(stream.data), stream.inflated, stream.checksum) for stream in encoded.streams),
    )


def _header(variant: Variant, sections: list[TensorGroup], aliases: dict[str, str]) -> Header:
    lineage = (
        StepEntry(kind=step.kind, settings=_known(step.settings), seed=step.seed, figures=_known(step.figures))
        for step in variant.lineage
    )
    try:
        return Header(
            architecture=None if variant.architecture is None else variant.architecture.config(),
            structure=tuple(change.config() for change in variant.structure),
            input_shape=variant.input_shape,
            classes=variant.classes,
            lineage=tuple(lineage),
            sections=tuple(sections),
            aliases=aliases,
            frozen=variant.frozen,
        )
    except ValidationError as error:
        raise StoreError(f"the variant cannot be described: {explain(error, '', Header)}") from None


def _known(value: Any) -> Any:
    """JSON has no NaN: a number that is not finite is unknown (`null`)."""
    if isinstance(value, Mapping):
        return {str(name): _known(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_known(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

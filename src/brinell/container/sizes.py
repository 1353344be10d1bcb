"""How large a file is next to what it could be: counted as papers do, by entropy, and by general compressors."""

from __future__ import annotations

import lzma
import math
import shutil
import subprocess
import tempfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
from torch import Tensor, get_num_threads

from brinell import costs
from brinell.container.bit_patterns import CHUNK, BitPatterns, Bytes
from brinell.container.header import read_header
from brinell.container.reading import open_container
from brinell.container.select_coding import layouts
from brinell.container.writing import find_duplicates, group_tensors
from brinell.core import require
from brinell.variants import OnnxGraph, Variant

Packers = Mapping[str, Callable[[bytes], int | None]]

_PATIENCE: Final = 1800
"""Seconds that an outside program may take."""


def compare_sizes(variant: Variant, path: Path, *, general_purpose: Sequence[str] | None = None) -> dict[str, Any]:
    """What the file at `path`, which holds `variant`, is compared with; bytes all of them, keys as in `costs.json`.

    - `nominal_bytes`: weights that are not zero, times the bits that tell their values apart (32 where they are many),
      as papers count: no positions, code books, biases or batch norm. No file is that small.
    - `entropy_bytes`: the file's header, and the zero-order entropy of codes, gaps, code books and planes of bytes in
      the lay-out where that is least (`entropy`). The file is never smaller, unless bytes repeat in patterns.
    - `general_purpose`: the dense float32 numbers, compressed by `deflate` (zlib -9), `xz` (-9e), and `zstd` (--ultra
      -22), `brotli` (-q 11) and `zpaq` (-m5) where these programs are installed (of Brotli, the Python package is
      enough); or by those asked for.

    Args:
        variant: The variant that the file holds.
        path: The file.
        general_purpose: Names of programs to compare with; by default all that are installed.

    Returns:
        Bytes by name; `general_purpose` holds those of each program.

    Raises:
        StoreError: the file is missing or damaged.

    Examples:
        >>> import brinell, pathlib, tempfile
        >>> variant = brinell.testing.digits_variant(examples=60)[0]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder) / "digits.brinell"
        ...     size = brinell.save(variant, path)
        ...     sizes = compare_sizes(variant, path, general_purpose=["deflate"])
        >>> sizes["general_purpose"]["deflate"] > size
        True
    """
    with open_container(path) as (file, size):
        front = read_header(file, size)[1]
    tensors = _stored(variant)
    sections = ([tensors[name] for name in names] for names in group_tensors(tensors))
    wanted = PACKERS if general_purpose is None else {name: PACKERS[name] for name in general_purpose}
    dense = _dense(variant) if wanted else b""
    packed = _at_once(wanted, dense)
    return {
        "nominal_bytes": nominal_bytes(variant),
        "entropy_bytes": front + math.ceil(sum(map(entropy, sections))),
        "general_purpose": {name: length for name, length in packed.items() if length is not None},
    }


def _at_once(packers: Packers, dense: bytes) -> dict[str, int | None]:
    """Each takes two minutes of a core for 93 MB of a few values: side by side, on as many cores as PyTorch may use."""
    with ThreadPoolExecutor(get_num_threads()) as pool:  # none of them holds the interpreter's lock
        return dict(zip(packers, pool.map(lambda pack: pack(dense), packers.values()), strict=True))


def nominal_bytes(variant: Variant) -> int:
    """Bytes of the weights alone, by the bits that their distinct values take in each layer."""
    if _is_graph(variant):
        return costs.measure(variant).weights
    matrices = [tensor for tensor in _stored(variant).values() if tensor.dim() > 1 and tensor.is_floating_point()]
    return math.ceil(sum(map(_nominal_bits, matrices)) / 8)


def _stored(variant: Variant) -> dict[str, Tensor]:
    """The tensors by name, of those under two names one."""
    aliases = find_duplicates(variant.tensors)
    return {name: tensor for name, tensor in variant.tensors.items() if name not in aliases}


def _is_graph(variant: Variant) -> bool:
    return any(isinstance(change, OnnxGraph) for change in variant.structure)


def _nominal_bits(tensor: Tensor) -> int:
    vector, weights = BitPatterns.of([tensor]), int(tensor.count_nonzero())
    if vector.levels is None or 2 * len(vector.levels) > weights:  # hardly any two are equal
        return weights * 8 * vector.layout.itemsize
    levels = len(vector.levels) + vector.has_zeros
    return weights * (levels - 1).bit_length()


def entropy(tensors: Sequence[Tensor]) -> float:
    """Bytes of tensors that are encoded together, by the zero-order entropy of the best lay-out's bytes.

    Of each coding that fits, the streams are those that a file would hold: signs, codes (one a byte, or several), gaps,
    code books, planes of bytes. Each counts as many bits as its bytes carry when each is told by its frequency alone,
    and no table of these frequencies. In streams of some hundred bytes that is less than any coding can reach.
    """
    vector = BitPatterns.of(tensors)
    if not vector.layout.count:
        return 0.0
    return min(sum(_entropy(stream) for stream in streams) for _, streams in layouts(vector))


def _entropy(stream: Bytes) -> float:
    """Bytes."""
    counts = np.zeros(256, np.int64)
    for start in range(0, len(stream), CHUNK):
        counts += np.bincount(stream[start : start + CHUNK], minlength=256)
    seen = counts[counts > 0]
    return float(seen @ np.log2(seen.sum() / seen)) / 8 if len(seen) else 0.0


# General-purpose compressors


def _dense(variant: Variant) -> bytes:
    """All floating numbers of the network as float32, one after the other: the file that everybody begins with."""
    tensors = list(variant.view().state_dict().values()) if _is_graph(variant) else list(_stored(variant).values())
    floats = (tensor.detach().float().numpy() for tensor in tensors if tensor.is_floating_point())
    return b"".join(array.astype("<f4", copy=False).tobytes() for array in floats)


def _zstd(dense: bytes) -> int | None:
    program = shutil.which("zstd")
    if program is None:
        return None
    done = _ran([program, "--ultra", "-22", "-c"], dense)
    return None if done is None else len(done)


def _brotli(dense: bytes) -> int | None:
    if find_spec("brotli") is not None:
        return len(require("brotli", extra="dev").compress(dense, quality=11, lgwin=24))
    program = shutil.which("brotli")
    if program is None:
        return None
    done = _ran([program, "-q", "11", "-w", "24", "-c"], dense)
    return None if done is None else len(done)


def _zpaq(dense: bytes) -> int | None:
    program = shutil.which("zpaq")
    if program is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        plain, archive = Path(folder) / "dense", Path(folder) / "dense.zpaq"
        plain.write_bytes(dense)
        done = _ran([program, "a", str(archive), str(plain), "-m5"])
        return None if done is None else archive.stat().st_size


def _ran(command: Sequence[str], given: bytes = b"") -> bytes | None:
    """What a program prints; `None` where it fails or takes too long, for nobody's network should fail with it."""
    try:
        done = subprocess.run(command, input=given, capture_output=True, check=True, timeout=_PATIENCE)  # noqa: S603
    except subprocess.SubprocessError:
        return None
    return done.stdout


PACKERS: Final[Packers] = {
    "deflate": lambda dense: len(zlib.compress(dense, 9)),
    "xz": lambda dense: len(lzma.compress(dense, preset=9 | lzma.PRESET_EXTREME)),
    "zstd": _zstd,
    "brotli": _brotli,
    "zpaq": _zpaq,
}
"""Bytes of the compressed file, by the compressor's name; `None` where it is not installed."""

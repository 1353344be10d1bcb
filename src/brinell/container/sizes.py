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
from pathlib import Path
from typing import Any, Final

import numpy as np
from torch import Tensor, get_num_threads

from brinell import costs
from brinell.container.bit_vector import CHUNK, Bits, BitVector
from brinell.container.header import read_header
from brinell.container.reading import opened
from brinell.variants import OnnxGraph, Variant

Packers = Mapping[str, Callable[[bytes], int | None]]

_PATIENCE: Final = 1800
"""Seconds that an outside program may take."""


def sizes(variant: Variant, path: Path, *, general_purpose: Sequence[str] | None = None) -> dict[str, Any]:
    """What the file at `path`, which holds `variant`, is compared with; bytes all of them, keys as in `costs.json`.

    - `nominal_bytes`: weights that are not zero, times the bits that tell their values apart (32 where they are many),
      as papers count: no positions, code books, biases or batch norm. No file is that small.
    - `entropy_bytes`: zero-order entropy of codes and of the gaps between them, each tensor its own, with raw code
      books; everything that is not worth coding raw (biases, batch norm, unshared weights); and the file's header.
    - `general_purpose`: the dense float32 numbers, compressed by `deflate` (zlib -9), `xz`, and `zstd` (-19) and `zpaq`
      (-m5) where these programs are installed; or by those asked for.

    Raises:
        StoreError: the file is missing or damaged.
    """
    with opened(path) as (file, size):
        front = read_header(file, size)[1]
    wanted = PACKERS if general_purpose is None else {name: PACKERS[name] for name in general_purpose}
    dense = _dense(variant) if wanted else b""
    packed = _at_once(wanted, dense)
    return {
        "nominal_bytes": nominal_bytes(variant),
        "entropy_bytes": front + math.ceil(sum(map(entropy, variant.tensors.values()))),
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
    matrices = [tensor for tensor in variant.tensors.values() if tensor.dim() > 1 and tensor.is_floating_point()]
    return math.ceil(sum(map(_nominal_bits, matrices)) / 8)


def _is_graph(variant: Variant) -> bool:
    return any(isinstance(change, OnnxGraph) for change in variant.structure)


def _nominal_bits(tensor: Tensor) -> int:
    vector, weights = BitVector.of([tensor]), int(tensor.count_nonzero())
    if vector.levels is None or 2 * len(vector.levels) > weights:  # hardly any two are equal
        return weights * 8 * vector.layout.itemsize
    levels = len(vector.levels) + vector.has_zeros
    return weights * (levels - 1).bit_length()


def entropy(tensor: Tensor) -> float:
    """Bytes of one tensor by its zero-order entropy, code book included; never more than raw."""
    vector = BitVector.of([tensor])
    itemsize, raw = vector.layout.itemsize, float(vector.bits.nbytes)
    gaps = _entropy(_gaps(vector)) if vector.has_zeros else 0.0
    if vector.levels is None:
        return min(raw, gaps + itemsize * len(vector.nonzero))
    shares = np.bincount(vector.codes, minlength=len(vector.levels))
    apart = _of_counts(shares) + gaps
    together = _of_counts(np.append(shares, vector.layout.count - len(vector.nonzero)))
    return min(raw, itemsize * len(vector.levels) + min(apart, together))


def _gaps(vector: BitVector) -> Bits:
    parts = [np.flatnonzero(vector.mask[at : at + CHUNK]) + at for at in range(0, vector.layout.count, CHUNK)]
    places = np.concatenate(parts) if parts else np.zeros(0, np.int64)
    return np.diff(places, prepend=-1).astype(np.uint64)


def _entropy(symbols: Bits) -> float:
    return _of_counts(np.unique(symbols, return_counts=True)[1])


def _of_counts(counts: np.ndarray) -> float:
    seen = counts[counts > 0]
    return float(seen @ np.log2(seen.sum() / seen)) / 8 if len(seen) else 0.0


# General-purpose compressors


def _dense(variant: Variant) -> bytes:
    """All floating numbers of the network as float32, one after the other: the file that everybody begins with."""
    tensors: Mapping[str, Tensor] = variant.view().state_dict() if _is_graph(variant) else variant.tensors
    floats = (tensor.detach().float().numpy() for tensor in tensors.values() if tensor.is_floating_point())
    return b"".join(array.astype("<f4", copy=False).tobytes() for array in floats)


def _zstd(dense: bytes) -> int | None:
    program = shutil.which("zstd")
    if program is None:
        return None
    done = _ran([program, "-19", "-c"], dense)
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
    "xz": lambda dense: len(lzma.compress(dense)),
    "zstd": _zstd,
    "zpaq": _zpaq,
}
"""Bytes of the compressed file, by the compressor's name; `None` where it is not installed."""

"""A damaged or hostile file is refused in one way, in bounded time and memory, or reads as what it says.

`BRINELL_FUZZ=100000` runs that many; `BRINELL_SEED` starts elsewhere.
"""

from __future__ import annotations

import contextlib
import os
import random
import resource
import time
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from torch import nn

from brinell.container import inspect, read, write
from brinell.core import StoreError, derive_seed
from brinell.variants import Variant
from container.mutations import MUTATIONS, bytes_changed
from container.samples import VARIANTS, same, skeleton

COUNT = int(os.environ.get("BRINELL_FUZZ", "1200"))
SEED = int(os.environ.get("BRINELL_SEED", "0"))
SAMPLES = ("sparse-powers", "sparse-steps", "binary", "mixed")

LONGEST = 5.0
"""Seconds of the processor that one file may take."""

MEMORY = 256 << 20
"""Bytes the process may grow by over all files, of which the largest holds 0.4 MB of tensors."""


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__)
@pytest.mark.parametrize("name", SAMPLES)
def test_mutated_files(tmp_path: Path, name: str, mutation: type) -> None:
    variant, module, original = written(name)
    path, before = tmp_path / "v.brinell", _resident()
    refused = 0
    for turn in range(COUNT // (len(SAMPLES) * len(MUTATIONS))):
        data = mutation(original, random.Random(derive_seed(SEED, name, mutation.__name__, turn)))  # noqa: S311
        path.write_bytes(data)
        started = time.process_time()
        found = outcome(path, module)
        if isinstance(found, StoreError):
            refused += 1
            assert str(found).startswith(f"cannot read {path}: ")
            assert "\n" not in str(found)
            assert len(str(found)) < 1000
        else:
            assert found.tensors.keys() == variant.tensors.keys()
            if mutation is bytes_changed:  # the checksum was not mended, so that only unused bits may differ
                assert same(found.tensors, variant.tensors)
        assert time.process_time() - started < LONGEST, f"turn {turn}"
    assert refused
    assert _resident() - before < MEMORY


@cache
def written(name: str) -> tuple[Variant, nn.Module | None, bytes]:
    """A variant, the module to read it with, and its file."""
    variant = VARIANTS[name]()
    with TemporaryDirectory() as folder:
        write(variant, Path(folder) / "v")
        return variant, skeleton(name), (Path(folder) / "v").read_bytes()


def outcome(path: Path, module: nn.Module | None) -> Variant | StoreError:
    with contextlib.suppress(StoreError):
        inspect(path)
    try:
        return read(path, model=module)
    except StoreError as error:
        return error


def _resident() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

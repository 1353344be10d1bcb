"""Freed memory that stays: counted in page faults, which only the kernel knows of."""

from __future__ import annotations

import resource

import numpy as np
import pytest

from brinell.core import keep_freed_memory
from brinell.core.allocator import _glibc

PAGES = (8 << 20) // resource.getpagesize()


def faults() -> int:
    """Page faults of a block of 8 MiB that is allocated, written to and freed."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.empty(8 << 20, np.uint8).fill(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(_glibc() is None, reason="the C library is not glibc")
def test_a_block_of_the_same_size_needs_no_new_pages() -> None:
    with keep_freed_memory():
        with keep_freed_memory():
            faults()
        assert faults() < PAGES // 10
    assert faults() > PAGES // 10


def test_other_systems_run_as_they_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brinell.core.allocator._glibc", lambda: None)
    with keep_freed_memory():
        assert faults() >= 0

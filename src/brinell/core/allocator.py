"""Keep freed memory in the process while a loop allocates tensors of the same sizes over and over."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""glibc's names for two parameters of its allocator (`man 3 mallopt`)."""
_NEVER: Final = -1
_LARGEST: Final = 32 << 20
"""Bytes above which glibc maps a block afresh whatever it is asked."""

_lock = threading.Lock()
_users = 0


@contextmanager
def keep_freed_memory() -> Iterator[None]:
    """Let glibc keep what is freed for the next allocation; on other systems, do nothing.

    By default it returns large blocks to the kernel, which fills a new page with zeros at the first write to it. A pass
    of a small network at batch 128 frees and allocates maps of some megabytes, and this takes up to a fifth of its
    time. The setting is the process's; when the last user has left, free memory is returned.

    Returns:
        A block; the setting holds until the last one is left.

    Examples:
        >>> with keep_freed_memory():
        ...     pass
    """
    global _users
    glibc = _glibc()
    if glibc is None:
        yield
        return
    with _lock:
        _users += 1
        glibc.mallopt(_MMAP_THRESHOLD, _LARGEST)
        glibc.mallopt(_TRIM_THRESHOLD, _NEVER)
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if not _users:
                # What glibc itself would have come to: its thresholds rise with the largest block that was freed.
                glibc.mallopt(_TRIM_THRESHOLD, 2 * _LARGEST)
                glibc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL(None)
        library.gnu_get_libc_version, library.mallopt, library.malloc_trim  # noqa: B018 - absent elsewhere
    except (AttributeError, OSError, TypeError):
        return None
    return library

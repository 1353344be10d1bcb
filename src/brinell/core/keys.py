"""Content keys: the same settings give the same key on every machine; paths never enter one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from brinell.core.regular_files import open_regular_file

SCHEMA = 1
"""Raised when rows, plans or keys change meaning; every key made before it is then another key."""

KEY_PATTERN = "[0-9a-f]{20}"
"""What `content_key` gives, and nothing else: keys come back from files that strangers may have written."""

BLOCK_PATTERN = "[0-9]{4,12}-[0-9]{1,12}-[0-9a-f]{10}"
"""What `block_name` gives."""


def content_key(kind: str, **parts: Any) -> str:
    """Hash `kind` and JSON-able `parts` to 20 hexadecimal digits, independent of the order of mappings.

    Args:
        kind: What is keyed, such as `variant`.
        parts: What decides it; specs count by their identity.

    Returns:
        20 hexadecimal digits.

    Examples:
        >>> content_key("trial", seed=0, attack="pgd") == content_key("trial", attack="pgd", seed=0)
        True
    """
    payload = {"schema": SCHEMA, "kind": kind, **parts}
    text = json.dumps(payload, sort_keys=True, separators=(",", ":"), allow_nan=False, default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def block_name(index: int, ids: NDArray[Any]) -> str:
    """Name of a block of test examples: its place, how many, and a digest of their ids in order.

    Args:
        index: Which block of the split it is, from 0.
        ids: Ids of its examples, int64 `(N,)`.

    Returns:
        The name of the block's files.

    Examples:
        >>> import numpy as np
        >>> block_name(2, np.arange(20))[:8]
        '0002-20-'
    """
    digest = hashlib.sha256(ids.astype("<i8").tobytes()).hexdigest()[:10]
    return f"{index:04d}-{len(ids)}-{digest}"


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal.

    Args:
        path: Of a regular file.

    Returns:
        64 hexadecimal digits.

    Raises:
        OSError: As `open_regular_file`.

    Examples:
        >>> from pathlib import Path
        >>> import tempfile
        >>> with tempfile.NamedTemporaryFile() as file:
        ...     file_digest(Path(file.name))[:8]
        'e3b0c442'
    """
    with open_regular_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError(f"{value!r} cannot be part of a key")

"""A probe's record and its arrays; the record holds the hash of the arrays."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from brinell.core import StoreError, check_deflated_archive, read_regular_file
from brinell.store.atomic import write_bytes
from brinell.store.content_hash import sha256
from brinell.store.integrity import MOST_FILE_BYTES, accepts_unhashed, read_object, write_object
from brinell.store.safe_paths import exists, safe_path

_DIGEST: Final = "arrays_sha256"
"""Entry of a probe's record: the hash of its file of arrays."""
_MOST_BYTES: Final = 1 << 30
"""Of a probe's arrays in memory."""


def write_probe(root: Path, key: str, record: Mapping[str, Any], arrays: Mapping[str, Any] | None = None) -> None:
    """Keep an answer. Its arrays are written first: the record is what says that the probe is done."""
    digest = {}
    if arrays is not None:
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)
        write_bytes(safe_path(root, "arrays", f"{key}.npz"), buffer.getvalue())
        digest = {_DIGEST: sha256(buffer.getvalue())}
    write_object(root, ("probes", f"{key}.json"), {**record, **digest})


def read_probe(root: Path, key: str) -> dict[str, Any]:
    """The record.

    Raises:
        StoreError: it is missing, damaged, or of another probe.
    """
    record = read_object(root, "probes", f"{key}.json")
    return {name: value for name, value in record.items() if name != _DIGEST}


def read_arrays(root: Path, key: str) -> dict[str, NDArray[Any]]:
    """The arrays.

    Raises:
        StoreError: the file is missing, damaged, or of another probe.
    """
    data = _arrays_content(root, key)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            check_deflated_archive(archive, len(data), _MOST_BYTES)
        with np.load(io.BytesIO(data), allow_pickle=False) as found:
            return {name: found[name] for name in found.files}
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        path = safe_path(root, "arrays", f"{key}.npz")
        raise StoreError(f"cannot read the arrays {path}: the file is damaged ({error})") from error


def has_whole_probe(root: Path, key: str) -> bool:
    """Whether the record is there, and the arrays if it has any, with the content that was written."""
    if not exists(root, "probes", f"{key}.json"):
        return False
    try:
        if _DIGEST in read_object(root, "probes", f"{key}.json") or exists(root, "arrays", f"{key}.npz"):
            _arrays_content(root, key)
    except StoreError:
        return False
    return True


def _arrays_content(root: Path, key: str) -> bytes:
    digest = read_object(root, "probes", f"{key}.json").get(_DIGEST)
    path = safe_path(root, "arrays", f"{key}.npz")
    try:
        data = read_regular_file(path, MOST_FILE_BYTES)
    except OSError as error:
        raise StoreError(f"cannot read the arrays {path}: {error.strerror or error}") from error
    known = accepts_unhashed(root, f"arrays/{key}.npz", data) if digest is None else sha256(data) == digest
    if not known:
        raise StoreError(f"cannot read the arrays {path}: the file is damaged, or of another probe")
    return data

"""Decoding once: a split's images in a file of bytes, under a key of their content and of what was done to them."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final, Literal, TypeVar

import numpy as np

from brinell.core import DataError
from brinell.data.reading.mapped_images import MappedImages
from brinell.store import atomic_folder

OnError = Literal["raise", "skip"]
T = TypeVar("T")

_WORKERS: Final = 2
"""Threads that decode; images of the largest accepted size take a gigabyte each while they are decoded."""
_AT_ONCE: Final = 64
"""Images that wait to be written."""
_SHOWN: Final = 3


@dataclass(frozen=True)
class CachedImages:
    """Decoded images, the indices of those that could be, and the names of those that could not."""

    images: MappedImages
    kept: np.ndarray
    skipped: tuple[str, ...]


def cached_images(
    folder: Path,
    shape: tuple[int, int, int, int],
    items: Callable[[], Iterable[T]],
    convert: Callable[[T], np.ndarray],
    name: Callable[[T], str],
    on_error: OnError | None,
) -> CachedImages:
    """The images `(N, C, H, W)` in the cache at `folder`, made by `convert` of each of `items()` where it is new.

    `on_error` is `None` where the caller has no such setting.

    Raises:
        DataError: an image cannot be converted (unless `on_error` is `skip` and others can), or the disk is full.
        StoreError: the folder cannot be written.
    """
    found = _open(folder, shape)
    if found is None:
        _check_space(folder, shape)
        with atomic_folder(folder) as temporary:
            _write(temporary, shape, items(), convert, name, on_error)
        found = _open(folder, shape)
    if found is None:
        raise DataError(f"{folder}: the cache of decoded images is damaged; delete it")
    if found.skipped and on_error != "skip":
        raise DataError(found.skipped[0] + _hint(on_error))
    if found.skipped:
        more = f" and {len(found.skipped) - _SHOWN} more" if len(found.skipped) > _SHOWN else ""
        shown = "; ".join(found.skipped[:_SHOWN])
        warnings.warn(f"{len(found.skipped)} of {shape[0]} images are skipped: {shown}{more}", stacklevel=3)
    return found


def _open(folder: Path, shape: tuple[int, int, int, int]) -> CachedImages | None:
    with suppress(OSError, ValueError, KeyError, TypeError):
        record = json.loads((folder / "images.json").read_text())
        skipped = {int(row): str(reason) for row, reason in record["skipped"].items()}
        kept = np.array([row for row in range(shape[0]) if row not in skipped], dtype=np.int64)
        with suppress(DataError):  # a damaged cache is made again
            images = MappedImages(folder / "images.bin", (len(kept), *shape[1:]))
            return CachedImages(images, kept, tuple(skipped.values()))
    if folder.exists():
        shutil.rmtree(folder, ignore_errors=True)
    return None


def _check_space(folder: Path, shape: tuple[int, int, int, int]) -> None:
    needed = int(np.prod(shape, dtype=np.int64))
    existing = next(parent for parent in folder.absolute().parents if parent.exists())
    free = shutil.disk_usage(existing).free
    if needed > free:
        raise DataError(
            f"{folder}: decoded images need {needed:,} bytes of disk, and {free:,} are free; "
            "set data.cache or BRINELL_CACHE to another folder"
        )


def _write(
    folder: Path,
    shape: tuple[int, int, int, int],
    items: Iterable[T],
    convert: Callable[[T], np.ndarray],
    name: Callable[[T], str],
    on_error: OnError | None,
) -> None:
    skipped: dict[int, str] = {}
    count = 0
    with (folder / "images.bin").open("wb") as file, ThreadPoolExecutor(_WORKERS) as pool:
        for part in _parts(items):
            for item, done in zip(part, [pool.submit(convert, item) for item in part], strict=True):
                try:
                    pixels = done.result()
                except Exception as error:  # what reads and resizes images raises whatever it meets
                    message = f"{name(item)}: {error}"
                    if on_error != "skip":
                        raise DataError(message + _hint(on_error)) from error
                    skipped[count] = message
                else:
                    file.write(np.ascontiguousarray(pixels).tobytes())
                count += 1
    if count != shape[0]:
        raise DataError(f"{count} images were found where {shape[0]} were expected")
    if count and len(skipped) == count:
        raise DataError(f"none of {count} images can be decoded; {next(iter(skipped.values()))}")
    (folder / "images.json").write_text(json.dumps({"skipped": skipped}))


def _hint(on_error: OnError | None) -> str:
    return "" if on_error is None else " (on_error: skip leaves such images out)"


def _parts(items: Iterable[T]) -> Iterator[list[T]]:
    source = iter(items)
    while part := list(islice(source, _AT_ONCE)):
        yield part

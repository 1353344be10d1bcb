"""Which files of a run are believed: those whose content hash fits, and those that are older than content hashes.

Versions before 0.2 wrote no hashes. Their runs are recognised by a `study.json` without `FORMAT`, and read as before.
When such a run is resumed, `unhashed.json` keeps the SHA-256 of each file that it has, before `study.json` is written
again: from then on a file without a hash is believed only if it is named there, so that no new file can lose its hash.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from brinell.core import StoreError, StudyPlan, explain, read_regular_file
from brinell.store.atomic import write_bytes
from brinell.store.content_hash import FIELD, UNFILLED, content_hash_fits, sha256, with_content_hash
from brinell.store.layout import FileNode
from brinell.store.safe_paths import exists, safe_path, walk_known_entries

FORMAT: Final = 1
"""Version of a run's folder, `format` in `study.json`."""
_FORMAT_FIELD: Final = "format"
_UNHASHED: Final = "unhashed.json"
MOST_FILE_BYTES: Final = 1 << 30
"""Of a file that is read as a whole. The plan of 100,000 trials has a tenth of it."""
_RESULTS: Final = ("variants", "trials", "traces", "probes", "arrays", "failures")
_DAMAGED: Final = "its content is not what was written there: it is damaged, or a copy of another file"


def read_content(root: Path, *parts: str) -> bytes:
    """The bytes of the file `root/parts`.

    Raises:
        StoreError: it cannot be read, its content hash does not fit, or it has none and is not older than hashes.
    """
    path, place = safe_path(root, *parts), "/".join(parts)
    data = _bytes(path)
    fits = content_hash_fits(data, place)
    if fits or (fits is None and accepts_unhashed(root, place, data)):
        return data
    raise StoreError(f"cannot read {path}: {_DAMAGED if fits is False else 'it has no content hash: it is damaged'}")


def accepts_unhashed(root: Path, place: str, data: bytes) -> bool:
    """Whether the file at `place`, which has no hash of its own, is one that a version before hashes wrote."""
    known = _unhashed(root)
    return known is None or known.get(place) == sha256(data)


def unhashed_files(root: Path, *folder: str) -> dict[str, str] | None:
    """SHA-256 of the files below `folder` that are older than hashes; `None` where all of the run is."""
    known = _unhashed(root)
    prefix = "/".join(folder) + "/"
    return None if known is None else {name: digest for name, digest in known.items() if name.startswith(prefix)}


def parse_object(data: bytes, path: Path) -> dict[str, Any]:
    """A JSON object, without its content hash.

    Raises:
        StoreError: it is none.
    """
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise StoreError(f"cannot read {path}: {error}") from error
    if not isinstance(value, dict):
        raise StoreError(f"{path} holds {type(value).__name__}, not an object")
    value.pop(FIELD, None)
    return value


def read_object(root: Path, *parts: str) -> dict[str, Any]:
    """The JSON object in `root/parts`, its hash checked.

    Raises:
        StoreError: as `read_content`, or it is no JSON object.
    """
    return parse_object(read_content(root, *parts), root.joinpath(*parts))


def object_bytes(value: Mapping[str, Any], place: str) -> bytes:
    """`value` as JSON with the content hash that belongs to `place`."""
    text = json.dumps({**value, FIELD: UNFILLED}, indent=1, default=str) + "\n"
    return with_content_hash(text.encode(), place)


def write_object(root: Path, parts: tuple[str, ...], value: Mapping[str, Any]) -> None:
    """Write `value` atomically to `root/parts` as JSON with its content hash."""
    write_bytes(safe_path(root, *parts), object_bytes(value, "/".join(parts)))


def write_plan(root: Path, plan: Mapping[str, Any]) -> None:
    """Write `study.json`, after a list of the files in the folder that are older than content hashes."""
    if _is_old(root):
        write_object(root, (_UNHASHED,), {"files": dict(_without_hash(root))})
    write_object(root, ("study.json",), {_FORMAT_FIELD: FORMAT, **plan})


def read_plan(root: Path) -> bytes:
    """The bytes of `study.json`, its hash checked where it is not older than hashes.

    Raises:
        StoreError: it is damaged, or of a later version.
    """
    path = safe_path(root, "study.json")
    data = _bytes(path)
    fits = content_hash_fits(data, "study.json")
    record = _object_or_nothing(data)
    if fits is False or (fits is None and _has_mark(record)):
        raise StoreError(f"{path} is damaged: {_DAMAGED}")
    if fits and record.get(_FORMAT_FIELD) != FORMAT:
        raise StoreError(f"{path} is damaged, or of a later version: its format is {record.get(_FORMAT_FIELD)!r:.40}")
    return data


def read_study_plan(root: Path) -> StudyPlan:
    """The plan in `study.json`.

    Raises:
        StoreError: as `read_plan`, or it is no plan of this version.
    """
    try:
        return StudyPlan.model_validate_json(read_plan(root))
    except ValidationError as error:
        raise StoreError(f"{safe_path(root, 'study.json')} is damaged: {explain(error, '', StudyPlan)}") from None


def _bytes(path: Path) -> bytes:
    try:
        return read_regular_file(path, MOST_FILE_BYTES)
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror or error}") from error


def _object_or_nothing(data: bytes) -> dict[str, Any]:
    with suppress(ValueError, RecursionError):
        value = json.loads(data)
        return value if isinstance(value, dict) else {}
    return {}


def _has_mark(record: Mapping[str, Any]) -> bool:
    return FIELD in record or _FORMAT_FIELD in record


def _is_old(root: Path) -> bool:
    """Whether the run's `study.json` is that of a version before hashes, and whole."""
    if not exists(root, "study.json"):
        return False
    data = _bytes(safe_path(root, "study.json"))
    record = _object_or_nothing(data)
    return bool(record) and content_hash_fits(data, "study.json") is None and not _has_mark(record)


def _without_hash(root: Path) -> Iterator[tuple[str, str]]:
    for folder in _RESULTS:
        for entry in walk_known_entries(root, folder):
            if isinstance(entry.node, FileNode) and not entry.temporary:
                place = Path(entry.path).relative_to(root).as_posix()
                data = _bytes(Path(entry.path))
                if content_hash_fits(data, place) is None:
                    yield place, sha256(data)


def _unhashed(root: Path) -> Mapping[str, str] | None:
    """Files older than hashes by place; `None` where the run has not been resumed since, and all may be."""
    return _unhashed_at(root, _state(root, "study.json"), _state(root, _UNHASHED))


@lru_cache(maxsize=64)
def _unhashed_at(root: Path, study: object, unhashed: object) -> Mapping[str, str] | None:
    """As `_unhashed`; `study` and `unhashed` change when the files do."""
    if _is_old(root):
        return None
    if not exists(root, _UNHASHED):
        return {}
    with suppress(StoreError):
        data = _bytes(safe_path(root, _UNHASHED))
        files = parse_object(data, root / _UNHASHED).get("files")
        if content_hash_fits(data, _UNHASHED) and isinstance(files, dict):
            return files
    return {}


def _state(root: Path, name: str) -> tuple[int, int, int] | None:
    if not exists(root, name):
        return None
    with suppress(OSError):
        status = safe_path(root, name).stat()
        return status.st_ino, status.st_mtime_ns, status.st_size
    return None

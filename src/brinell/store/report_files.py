"""The files of a report: written over and removed only where the last report's manifest says that it wrote them.

`report/manifest.json` holds the SHA-256 of every file that a report has written. It names the new files before the
first of them is written, so that a report that is killed midway leaves nothing that the next one does not know.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from brinell.core import StoreError
from brinell.store.atomic import make_folder, write_bytes, write_text
from brinell.store.lock import folder_locked
from brinell.store.safe_paths import exists, safe_path

PAGE: Final = "index.html"
_MANIFEST: Final = ("report", "manifest.json")
_MARK: Final = "brinell_report"
_VERSION: Final = 1
_EXHIBIT: Final = re.compile("(?:figures|tables)/")
_NONE: Final[frozenset[str]] = frozenset()
_OLD_TITLE: Final = " · brinell</title>"
_OLD_MARKS: Final = {".svg": b"Made by: brinell report", ".tex": b"% made by: brinell report"}
"""What pictures and tables of reports hold that were written before there were manifests."""

Manifest = dict[str, frozenset[str]]
"""Files by their names in `report`, and the SHA-256 each may have: two while a report is being written."""


def write_report(root: Path, page: str, files: Mapping[str, bytes], *, keep_others: bool = False) -> Path:
    """Write the page and `files` (`figures/<name>`, `tables/<name>`) to `root/report`, and return the page's path.

    What an earlier report wrote and this one does not is removed, unless `keep_others`.

    Raises:
        StoreError: a file stands in the way that no report wrote, or that was changed since; nothing was written.
    """
    contents = {**files, PAGE: page.encode()}  # the page last: it links to the others
    folder = safe_path(root, "report")
    make_folder(folder)
    with folder_locked(folder):
        _check_files(root, contents)
        known = _read_manifest(root)
        written = {name: frozenset({_digest(content)}) for name, content in contents.items()}
        either = {name: known.get(name, _NONE) | written.get(name, _NONE) for name in {**known, **written}}
        _write_manifest(root, either)
        for name, content in contents.items():
            write_bytes(_path(root, name), content)
        others = {name: digests for name, digests in known.items() if name not in written}
        if not keep_others:
            for name, digests in others.items():
                _remove(root, name, digests)
        _write_manifest(root, {**others, **written} if keep_others else written)
    return _path(root, PAGE)


def check_report(root: Path) -> None:
    """See that a report may write its page.

    Raises:
        StoreError: a page stands there that no report wrote, or that was changed since.
    """
    if exists(root, "report"):
        with folder_locked(safe_path(root, "report")):  # another process may be writing a report
            _check_files(root, (PAGE,))


def _check_files(root: Path, names: Iterable[str]) -> None:
    has_manifest = exists(root, *_MANIFEST)
    if has_manifest and not is_own_manifest(root):
        raise _foreign(root, "manifest.json")
    known = _read_manifest(root)
    for name in names:
        if exists(root, *_parts(name)):
            ours = _is_own(root, name, known.get(name, _NONE)) if has_manifest else _is_own_old(root, name)
            if not ours:
                raise _foreign(root, name)


def is_own_manifest(root: Path) -> bool:
    """Whether the report has a manifest that this tool wrote."""
    return exists(root, *_MANIFEST) and _parsed(root) is not None


def _foreign(root: Path, name: str) -> StoreError:
    return StoreError(
        f"{root / 'report' / name} was not written by `brinell report`, or was changed since; it is not overwritten, "
        "and no report was written: move it away, or delete it if it is of no use"
    )


def _parts(name: str) -> tuple[str, ...]:
    return ("report", *name.split("/"))


def _path(root: Path, name: str) -> Path:
    return safe_path(root, *_parts(name))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _content(root: Path, name: str) -> bytes | None:
    """`None` where the file is gone."""
    try:
        return _path(root, name).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"cannot read {root / 'report' / name}: {error.strerror}") from error


def _is_own(root: Path, name: str, digests: frozenset[str]) -> bool:
    content = _content(root, name)
    return content is None or _digest(content) in digests


def _is_own_old(root: Path, name: str) -> bool:
    """Whether an earlier version wrote the file, which kept no manifest: its page and pictures say so."""
    if name == PAGE:
        return _OLD_TITLE in (_content(root, name) or b"").decode(errors="replace")
    stem, ending = name[:-4], name[-4:]
    marked = ending if ending in _OLD_MARKS else ".svg"  # the others hold no mark: their picture speaks for them
    beside = f"{stem}{marked}"
    return exists(root, *_parts(beside)) and _OLD_MARKS[marked] in (_content(root, beside) or b"")


def _remove(root: Path, name: str, digests: frozenset[str]) -> None:
    """Remove a file as an earlier report wrote it; one that was changed since stays."""
    if exists(root, *_parts(name)) and _is_own(root, name, digests):
        _path(root, name).unlink(missing_ok=True)


def _write_manifest(root: Path, manifest: Manifest) -> None:
    files = {name: sorted(digests) for name, digests in sorted(manifest.items())}
    write_text(safe_path(root, *_MANIFEST), json.dumps({_MARK: _VERSION, "files": files}, indent=1) + "\n")


def _read_manifest(root: Path) -> Manifest:
    return (_parsed(root) if exists(root, *_MANIFEST) else None) or {}


def _parsed(root: Path) -> Manifest | None:
    """`None` where it is not one that this tool wrote."""
    try:
        record = json.loads(_content(root, "manifest.json") or b"")
        if record[_MARK] != _VERSION:
            return None
        manifest = {name: frozenset(map(str, digests)) for name, digests in record["files"].items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    for name in manifest:
        if name != PAGE and not _EXHIBIT.match(name):
            raise StoreError(
                f"{root.joinpath(*_MANIFEST)} names {name!r:.200}, which no report writes; delete the manifest"
            )
        _path(root, name)  # what is no name of ours, or a link, is refused
    return manifest

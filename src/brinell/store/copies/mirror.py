"""A copy of a run's finished files under a URL, such as `s3://bucket/run`: in whatever `fsspec` reaches.

The run itself stays in a folder: it needs a lock, renames and syncs, which object stores do not have. An object is
written as a whole, so that the copy holds whole files only; a file that is damaged on the way is found by its hash.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, Final

from brinell.core import ConfigurationError, StoreError
from brinell.store.atomic import atomic_path
from brinell.store.layout import RUN, FileNode, FolderNode, Node
from brinell.store.safe_paths import exists, safe_path, walk_known_entries

_SINGLE: Final = ("study.json", "study.yaml", "environment.json", "unhashed.json")
_FOLDERS: Final = ("variants", "traces", "trials", "arrays", "probes", "failures")
"""In the order in which they are copied: what says that something is done comes after what it consists of."""
_UPLOADS: Final = 4
"""Tasks whose files are copied at once."""
_MANIFEST: Final = "manifest.json"
_MERGED: Final = "merged.parquet"
_COMPARED: Final = 1 << 16
"""Bytes up to which a JSON file of equal length is compared by content: it may have been written again."""


@dataclass(frozen=True)
class Mirror:
    """The copy at `url`. One run at a time may write to it; nothing but the user sees to that."""

    url: str

    def pull(self, root: Path) -> list[str]:
        """Copy to the run's folder `root` what it lacks; the caller holds its lock. Returns what was copied.

        Names that a run does not have are passed over. A file that is there is never replaced.

        Raises:
            StoreError: the copy cannot be read, or the folder cannot be written.
        """
        copied = []
        for place in sorted(self._sizes(), key=_order):
            parts = tuple(place.split("/"))
            if not _is_mirrored(parts) or exists(root, *parts):
                continue
            with atomic_path(safe_path(root, *parts)) as temporary:
                self._do("read", self._fs.get_file, self._path(place), str(temporary))
            copied.append(place)
        return copied

    def push(self, root: Path, places: Iterable[str]) -> None:
        """Copy the files of the run at `places`; those that are not there are passed over.

        Raises:
            StoreError: the copy cannot be written.
        """
        for place in sorted(places, key=_order):
            parts = tuple(place.split("/"))
            if exists(root, *parts):
                data = safe_path(root, *parts).read_bytes()
                self._do("write", self._write, self._path(place), data)

    def synchronize(self, root: Path) -> list[str]:
        """Copy every finished file of the run that the copy lacks or has otherwise, and remove what is over.

        Over are failures that the run no longer has, and blocks that it has merged.

        Returns:
            What was copied.

        Raises:
            StoreError: the copy cannot be read or written.
        """
        there, here = self._sizes(), _finished_files(root)
        differing = {place for place in here if self._differs(root, place, there)}
        again = {place.rpartition("/")[0] for place in differing if place.endswith(f"/{_MANIFEST}")}
        again |= {f"arrays/{Path(place).stem}.npz" for place in differing if place.startswith("probes/")}
        chosen = [place for place in here if place in differing | again or place.rpartition("/")[0] in again]
        self.push(root, chosen)
        merged = {place.rpartition("/")[0] for place in here if place.endswith(f"/{_MERGED}")}
        for place in set(there) - here:
            folder = place.rpartition("/")[0]
            if not _is_mirrored(tuple(place.split("/"))) or (folder != "failures" and folder not in merged):
                continue
            self._do("write", self._fs.rm_file, self._path(place))
        return chosen

    def _differs(self, root: Path, place: str, there: dict[str, int]) -> bool:
        path = root / place
        size = path.stat().st_size
        if there.get(place) != size:
            return True
        if not place.endswith((".json", ".yaml")) or size > _COMPARED:
            return False
        return bool(self._do("read", self._fs.cat_file, self._path(place)) != path.read_bytes())

    def _sizes(self) -> dict[str, int]:
        """Bytes of every file of the copy, by its place in the run."""
        self._fs.invalidate_cache()
        try:
            found = self._do("read", self._fs.find, self._base, detail=True)
        except StoreError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return {}
            raise
        prefix = self._base.rstrip("/") + "/"
        return {name.removeprefix(prefix): int(info["size"]) for name, info in found.items() if name.startswith(prefix)}

    def _write(self, path: str, data: bytes) -> None:
        try:
            self._fs.pipe_file(path, data)
        except FileNotFoundError:  # of a file system that has folders
            self._fs.makedirs(path.rpartition("/")[0], exist_ok=True)
            self._fs.pipe_file(path, data)

    def _path(self, place: str) -> str:
        return f"{self._base.rstrip('/')}/{place}"

    @cached_property
    def _opened(self) -> tuple[Any, str]:
        try:
            fsspec: Any = importlib.import_module("fsspec.core")
            system, base = fsspec.url_to_fs(self.url)
            return system, base
        except ImportError as error:
            extra = " (pip install 'brinell[s3]')" if self.url.startswith("s3:") else ""
            raise ConfigurationError(
                f"mirror: {self.url} needs a package that is not installed: {error}{extra}"
            ) from None
        except Exception as error:
            raise ConfigurationError(
                f"mirror: {self.url!r} is no URL that fsspec opens ({error}); accepted: such as s3://bucket/folder"
            ) from error

    @property
    def _fs(self) -> Any:
        return self._opened[0]

    @property
    def _base(self) -> str:
        return self._opened[1]

    def _do(self, what: str, function: Any, *arguments: Any, **options: Any) -> Any:
        """Call a function of the file system, whose errors are of every kind."""
        try:
            return function(*arguments, **options)
        except Exception as error:
            message = " ".join(str(error).split())[:300] or type(error).__name__
            raise StoreError(f"cannot {what} {self.url}: {message}") from error


@contextmanager
def mirrored(root: Path, url: str | None) -> Iterator[Callable[[Iterable[str]], None]]:
    """Begin a run with what is at `url`, and copy there what is finished meanwhile.

    What cannot be copied at once is tried again at the end, when every file is compared.

    Args:
        root: Folder of the run, whose lock the caller holds.
        url: Where the copy is; `None` for nowhere.

    Yields:
        A function that copies the files of tasks by their records' names, and returns at once.

    Raises:
        StoreError: the copy cannot be read or, after all was computed, not written. The run's folder has everything.

    Examples:
        >>> from pathlib import Path
        >>> with mirrored(Path("runs/quickstart"), None) as copy:
        ...     copy(["a" * 20])
    """
    if url is None:
        yield lambda names: None
        return
    mirror = Mirror(url)
    mirror.pull(root)
    with ThreadPoolExecutor(_UPLOADS) as uploads:

        def copy(names: Iterable[str]) -> None:
            uploads.submit(mirror.push, root, {*chain(*map(places_of_task, names))})

        try:
            yield copy
        except BaseException:
            uploads.shutdown(cancel_futures=True)
            with suppress(StoreError):  # what ended the run is what the user must hear of
                mirror.synchronize(root)
            raise
    mirror.synchronize(root)


def places_of_task(name: str) -> list[str]:
    """The files that a task's record may have.

    Args:
        name: Of the record: a key, or a trial's key and a block's name.

    Returns:
        Paths in the run, whether there are such files or not.

    Examples:
        >>> from brinell.store import places_of_task
        >>> places_of_task("a" * 20 + ".0000-2-" + "c" * 10)[1]
        'trials/aaaaaaaaaaaaaaaaaaaa/0000-2-cccccccccc.parquet'
    """
    key, _, block = name.partition(".")
    failure = f"failures/{name}.json"
    if block:
        return [f"traces/{key}/{block}.parquet", f"trials/{key}/{block}.parquet", failure]
    variant = RUN.named["variants"]
    files = variant.each.named if isinstance(variant, FolderNode) and isinstance(variant.each, FolderNode) else ()
    return [*(f"variants/{key}/{file}" for file in files), f"arrays/{key}.npz", f"probes/{key}.json", failure]


def _finished_files(root: Path) -> set[str]:
    """Every finished file of the run that is mirrored, by its place."""
    found = {name for name in _SINGLE if exists(root, name)}
    for folder in _FOLDERS:
        for entry in walk_known_entries(root, folder):
            place = Path(entry.path).relative_to(root).as_posix()
            if isinstance(entry.node, FileNode) and not entry.temporary and _is_mirrored(tuple(place.split("/"))):
                found.add(place)
    return found


def _is_mirrored(parts: tuple[str, ...]) -> bool:
    """Whether it is a file of a run that is copied: no lock, checkpoint or report, and no second name of a variant."""
    if parts[0] not in (*_SINGLE, *_FOLDERS) or (parts[0] == "variants" and len(parts) != 3):
        return False
    node: Node | None = RUN
    for part in parts:
        node = node.child(part) if isinstance(node, FolderNode) else None
    return isinstance(node, FileNode)


def _order(place: str) -> tuple[int, bool, str]:
    """The plan first, and what says that something is done last."""
    top = place.partition("/")[0]
    index = _SINGLE.index(top) if top in _SINGLE else len(_SINGLE)
    folder = _FOLDERS.index(top) + 1 if top in _FOLDERS else 0
    return index + folder, place.endswith(f"/{_MANIFEST}"), place

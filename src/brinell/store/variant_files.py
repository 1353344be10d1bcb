"""A variant's folder: its files, and the manifest that says which they are."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from brinell.core import StoreError
from brinell.store.atomic import atomic_folder, write_bytes
from brinell.store.file_digest import file_sha256
from brinell.store.integrity import object_bytes, parse_object, read_object, unhashed_files, write_object
from brinell.store.safe_paths import exists, safe_path, walk_known_entries
from brinell.store.sweep import remove_known

_MANIFEST: Final = "manifest.json"
_LEFT_OUT: Final = "left_out"
"""Entry of the manifest: files that the archive of a run has not."""
_NETWORK: Final = "variant.brinell"
"""What every variant has, also one that is older than manifests."""


@contextmanager
def new_variant(root: Path, key: str) -> Iterator[Path]:
    """A temporary folder that becomes the variant's, with a manifest, when the block ends well.

    A folder that is there already is kept if it is whole; one that is damaged is replaced.
    """
    with atomic_folder(safe_path(root, "variants", key)) as folder:
        yield folder
        write_manifest(root, key, folder)
        if not is_whole_variant(root, key):
            _replace(root, key, folder)


def _replace(root: Path, key: str, folder: Path) -> None:
    """Remove the variant's damaged files; where its folder holds others too, put the new ones beside them."""
    remove_known(root, "variants", key)
    place = safe_path(root, "variants", key)
    if exists(root, "variants", key):
        for path in sorted(folder.iterdir(), key=lambda path: path.name == _MANIFEST):
            path.replace(place / path.name)


def write_manifest(root: Path, key: str, folder: Path) -> None:
    """Write the manifest of all files that are in `folder`, which is or becomes that of the variant `key`."""
    names = sorted(path.name for path in folder.iterdir() if path.is_file() and path.name != _MANIFEST)
    files = {name: {"bytes": (folder / name).stat().st_size, "sha256": file_sha256(folder / name)} for name in names}
    write_bytes(folder / _MANIFEST, object_bytes({"files": files}, f"variants/{key}/{_MANIFEST}"))


def copy_manifest(root: Path, target: Path, key: str, *, left_out: Collection[str]) -> None:
    """Give the variant's copy in the run `target`, which lacks the files `left_out`, the manifest it has in `root`.

    The variant still counts as made; a study that is run again makes what was left out.
    """
    if not exists(root, "variants", key, _MANIFEST):  # older than manifests
        write_manifest(target, key, safe_path(target, "variants", key))
        return
    record = read_object(root, "variants", key, _MANIFEST)
    if left_out:
        record[_LEFT_OUT] = sorted(left_out)
    write_object(target, ("variants", key, _MANIFEST), record)


def has_variant(root: Path, key: str) -> bool:
    """Whether the variant's files are all there, each as long as it should be; their content is not read.

    What an archive left out of them may be missing.
    """
    try:
        files, left_out = _files(root, key), _left_out(root, key)
        sizes = {name: _size(root, key, name) for name in files}
        return bool(files) and all(
            sizes[name] == files[name][0] or (sizes[name] is None and name in left_out) for name in files
        )
    except StoreError:
        if exists(root, "variants", key):  # a damaged manifest; a link is refused
            return False
        raise


def is_whole_variant(root: Path, key: str) -> bool:
    """Whether all of the variant's files are there with the content that was written."""
    try:
        return has_variant(root, key) and all(variant_file(root, key, name) for name in _files(root, key))
    except StoreError:
        return False


def is_undamaged_variant(root: Path, key: str) -> bool:
    """As `is_whole_variant`; what an archive left out of the variant may be missing."""
    try:
        names = [name for name in _files(root, key) if exists(root, "variants", key, name)]
        return has_variant(root, key) and all(variant_file(root, key, name) for name in names)
    except StoreError:
        return False


def variant_file(root: Path, key: str, name: str) -> Path | None:
    """A file of the variant, its content checked; `None` where the variant has none of this name.

    Raises:
        StoreError: the file is gone, damaged, or of another variant.
    """
    path = safe_path(root, "variants", key, name)
    found = _files(root, key).get(name)
    if found is None:
        return None
    if not exists(root, "variants", key, name):
        cause = "an archive left it out" if name in _left_out(root, key) else "the file is missing"
        raise StoreError(f"cannot read {path}: {cause}")
    if found[1] is not None and file_sha256(path) != found[1]:
        raise StoreError(f"cannot read {path}: its content is not that of which {_MANIFEST} beside it holds the hash")
    return path


def variant_file_names(root: Path, key: str) -> list[str]:
    """Names of the files that the variant is made of, whether they are there or not.

    Raises:
        StoreError: its manifest is damaged.
    """
    return sorted(_files(root, key))


def variant_object(root: Path, key: str, name: str) -> dict[str, Any] | None:
    """The JSON object in a file of the variant; raises and returns `None` as `variant_file` does."""
    path = variant_file(root, key, name)
    if path is None:
        return None
    try:
        return parse_object(path.read_bytes(), path)
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror or error}") from error


def variant_figures(root: Path, key: str) -> list[dict[str, Any]]:
    """The steps in `figures.json`, none where the variant has no such file.

    Raises:
        StoreError: as `variant_file`, or the file holds no list of steps.
    """
    record = variant_object(root, key, "figures.json")
    steps = [] if record is None else record.get("steps")
    if not isinstance(steps, list):
        raise StoreError(f"{safe_path(root, 'variants', key) / 'figures.json'} holds no list of steps")
    return steps


def _files(root: Path, key: str) -> dict[str, tuple[int | None, str | None]]:
    """Bytes and SHA-256 by name, of which a variant older than manifests has none.

    Raises:
        StoreError: the manifest is damaged, or of another variant.
    """
    if not exists(root, "variants", key):
        return {}
    if exists(root, "variants", key, _MANIFEST):
        files = read_object(root, "variants", key, _MANIFEST).get("files")
        return {name: _entry(root, key, record) for name, record in (files if isinstance(files, dict) else {}).items()}
    old = unhashed_files(root, "variants", key)
    if old is not None:
        return {Path(place).name: (_size(root, key, Path(place).name), digest) for place, digest in old.items()}
    if not exists(root, "variants", key, _NETWORK):
        return {}
    names = [Path(entry.path).name for entry in walk_known_entries(root, "variants", key) if not entry.temporary]
    return {name: (_size(root, key, name), None) for name in names}


def _left_out(root: Path, key: str) -> frozenset[str]:
    """Names of files that an archive has not, by the manifest."""
    if not exists(root, "variants", key, _MANIFEST):
        return frozenset()
    names = read_object(root, "variants", key, _MANIFEST).get(_LEFT_OUT)
    return frozenset(map(str, names)) if isinstance(names, list) else frozenset()


def _entry(root: Path, key: str, record: Any) -> tuple[int, str]:
    try:
        return int(record["bytes"]), str(record["sha256"])
    except (KeyError, TypeError, ValueError):
        raise StoreError(f"{safe_path(root, 'variants', key, _MANIFEST)} is damaged") from None


def _size(root: Path, key: str, name: str) -> int | None:
    if not exists(root, "variants", key, name):
        return None
    return safe_path(root, "variants", key, name).stat().st_size

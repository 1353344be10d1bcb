"""Copies of the variants' files under the variants' names: what is shipped, beside the folders that keys name."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from brinell.store.atomic import atomic_path, remove_file
from brinell.store.file_digest import file_sha256
from brinell.store.layout import NAMED_VARIANT
from brinell.store.run import RunStore
from brinell.store.safe_paths import safe_path, walk_known_entries
from brinell.store.variant_files import is_undamaged_variant

_FILE: Final = "variant.brinell"


def name_variants(store: RunStore, names: Mapping[str, str]) -> None:
    """`name_variant` for all names by key; copies under names that are not among them are removed.

    A file under another name stays where it is no copy of a variant's file: it may be the user's.

    Args:
        store: Of the run.
        names: Names of the copies by the variants' keys.

    Raises:
        StoreError: as `name_variant`.

    Examples:
        >>> from pathlib import Path
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as root:
        ...     name_variants(RunStore(Path(root)), {})
    """
    for path in _copies(store, without=frozenset(names.values())):
        remove_file(path)
    for key, name in names.items():
        name_variant(store, key, name)


def name_variant(store: RunStore, key: str, name: str) -> None:
    """Put a copy of the variant's file, once it is made and whole, at `variants/<name>.brinell`.

    It is no link: what somebody does to it leaves the run's own file alone. A file of other content there is replaced.

    Args:
        store: Of the run.
        key: Of the variant.
        name: Of the copy, without `.brinell`.

    Raises:
        StoreError: `name` cannot be that of a file here, or it cannot be written.

    Examples:
        >>> from pathlib import Path
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as root:
        ...     store = RunStore(Path(root))
        ...     name_variant(store, "0" * 20, "base")  # it is not made yet
        ...     named_variant(store, "base") is None
        True
    """
    target = safe_path(store.root, "variants", f"{name}.brinell")
    file = safe_path(store.root, "variants", key, _FILE)
    if not (is_undamaged_variant(store.root, key) and file.exists()):  # a damaged one is made again, and named then
        remove_file(target)
        return
    if target.exists() and not target.samefile(file) and file_sha256(target) == file_sha256(file):
        return
    with atomic_path(target) as temporary:
        shutil.copyfile(file, temporary)


def named_variant(store: RunStore, name: str) -> Path | None:
    """The file that `name_variant` put there; `None` where there is none, or `name` can be that of none.

    Args:
        store: Of the run.
        name: Of the copy, without `.brinell`.

    Returns:
        Its path.

    Examples:
        >>> from pathlib import Path
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as root:
        ...     named_variant(RunStore(Path(root)), "base") is None
        True
    """
    if NAMED_VARIANT.fullmatch(f"{name}.brinell") is None:
        return None
    path = safe_path(store.root, "variants", f"{name}.brinell")
    return path if path.exists() else None


def _copies(store: RunStore, without: frozenset[str]) -> list[Path]:
    """Files under other names than `without` that hold what a variant of the run does."""
    files = [Path(entry.path) for entry in walk_known_entries(store.root, "variants") if not entry.temporary]
    of_keys = [path for path in files if path.parent.name != "variants" and path.name == _FILE]
    named = [path for path in files if path.parent.name == "variants" and NAMED_VARIANT.fullmatch(path.name)]
    others = [path for path in named if path.stem not in without]
    sizes = {path.stat().st_size for path in others}
    made = {file_sha256(path) for path in of_keys if path.stat().st_size in sizes}
    return [path for path in others if file_sha256(path) in made]

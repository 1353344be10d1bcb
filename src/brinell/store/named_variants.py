"""Files of a run's variants under the variants' names: what is shipped, beside the folders that keys name."""

from __future__ import annotations

import filecmp
import os
from pathlib import Path

from brinell.store.atomic import atomic_path
from brinell.store.layout import NAMED_VARIANT
from brinell.store.run import RunStore
from brinell.store.safe_paths import safe_path


def name_variant(store: RunStore, key: str, name: str) -> None:
    """Put the variant's file, once it is made and whole, at `variants/<name>.brinell` as well.

    It is a hard link, or a copy where the file system has none. What stood there of other settings is removed.

    Raises:
        StoreError: `name` cannot be that of a file here, or it cannot be written.
    """
    made = store.has_whole_variant(key)  # a damaged one is made again, and named then
    file = safe_path(store.root, "variants", key, "variant.brinell") if made else None
    target = safe_path(store.root, "variants", f"{name}.brinell")
    if file is None:
        target.unlink(missing_ok=True)
        return
    if target.exists() and (target.samefile(file) or filecmp.cmp(target, file, shallow=False)):  # or a run was copied
        return
    with atomic_path(target) as temporary:
        try:
            os.link(file, temporary)
        except OSError:
            temporary.write_bytes(file.read_bytes())


def named_variant(store: RunStore, name: str) -> Path | None:
    """The file that `name_variant` put there; `None` where there is none, or `name` can be that of none."""
    if NAMED_VARIANT.fullmatch(f"{name}.brinell") is None:
        return None
    path = safe_path(store.root, "variants", f"{name}.brinell")
    return path if path.exists() else None

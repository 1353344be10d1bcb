"""For tests that change a run's file by hand and want its new content to be believed."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl

from brinell.core import StoreError
from brinell.store import read_footer, write_table
from brinell.store.content_hash import FIELD
from brinell.store.integrity import FORMAT, write_object
from brinell.store.variant_files import write_manifest


def renew_hash(path: Path) -> None:
    """Give the table or JSON object at `path`, a file of a run, the content hash that the store would have given it."""
    root, parts = _parts(path)
    if parts[0] == "variants":
        write_manifest(root, parts[1], path.parent)
    elif path.suffix == ".parquet":
        try:
            footer = read_footer(path)
        except StoreError:  # polars wrote it without one
            footer = {}
        write_table(path, pl.read_parquet(path), footer, "/".join(parts))
    else:
        value = json.loads(path.read_text())
        value.pop(FIELD, None)
        if parts == ("study.json",):
            value["format"] = FORMAT
        write_object(root, parts, value)


def _parts(path: Path) -> tuple[Path, tuple[str, ...]]:
    root = next(parent for parent in path.parents if (parent / "study.json").exists())
    return root, path.relative_to(root).parts

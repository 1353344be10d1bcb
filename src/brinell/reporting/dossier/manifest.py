"""Hashes of every file of the run that the dossier rests on."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from brinell.reporting.dossier.section import DossierSection, Value
from brinell.store import RunStore
from brinell.store.file_digest import file_sha256

_FOLDERS: Final = ("variants", "trials", "traces", "probes", "arrays", "failures")
_FILES: Final = ("study.json", "study.yaml", "environment.json")


def manifest(store: RunStore) -> DossierSection:
    """One row a file, sorted by path; links are left out, as everywhere."""
    files = [store.root / name for name in _FILES]
    for folder in _FOLDERS:
        files += sorted(path for path in (store.root / folder).rglob("*") if not path.name.startswith("."))
    rows = tuple(_row(store.root, path) for path in files if path.is_file() and not path.is_symlink())
    text = "SHA-256 of the files, relative to the run's folder; sha256sum checks them."
    return DossierSection("manifest", "Manifest", (text,), rows)


def _row(root: Path, path: Path) -> dict[str, Value]:
    return {"file": path.relative_to(root).as_posix(), "bytes": path.stat().st_size, "SHA-256": file_sha256(path)}

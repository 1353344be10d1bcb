"""Rebuild the pages and tables of every archive beside this file, in `docs/results`: `make results`.

Each archive that `brinell archive` wrote becomes a run's folder again, whose report is drawn. Nothing is computed: what
an archive lacks is missing on its page, which says so.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

import brinell

RESULTS = Path(__file__).parent
SITE = RESULTS.parent / "docs" / "results"
PUBLISHED = ("report", "variants")
"""What of a restored run the site has: the page with its tables and figures, and the files that it links to."""


def build(archive: Path, target: Path) -> None:
    """Replace what an earlier build left in `target` by the report of `archive`."""
    with tempfile.TemporaryDirectory() as folder:
        run = brinell.restore(archive, Path(folder) / archive.name)
        brinell.report(run)
        for keyed in (run / "variants").iterdir():
            if keyed.is_dir():
                shutil.rmtree(keyed)
        for name in PUBLISHED:
            shutil.rmtree(target / name, ignore_errors=True)
            shutil.copytree(run / name, target / name)


def main() -> None:
    """Build all of them, and print how long each took."""
    for archive in sorted(path.parent for path in RESULTS.glob("*/blocks.parquet")):
        began = time.perf_counter()
        build(archive, SITE / archive.name)
        print(f"{SITE / archive.name / 'report' / 'index.html'}: {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()

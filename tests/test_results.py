"""The runs whose rows are in the repository: whole, small, without images, and each on the site."""

from __future__ import annotations

from pathlib import Path

import pytest

import brinell
from brinell.analysis import load
from brinell.store import RunStore

ROOT = Path(__file__).parents[1]
ARCHIVES = sorted(path.parent for path in (ROOT / "results").glob("*/blocks.parquet"))
MOST_ROWS_BYTES, MOST_NETWORK_BYTES = 25e6, 20e6


def size(archive: Path, pattern: str) -> int:
    return sum(path.stat().st_size for path in archive.rglob(pattern))


@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda path: path.name)
def test_an_archive_is_whole_and_small(archive: Path, tmp_path: Path) -> None:
    evaluation = load(RunStore.open(brinell.restore(archive, tmp_path / "run")))
    assert not evaluation.problems
    assert set(evaluation.variants["state"]) == set(evaluation.coverage["state"]) == {"done"}
    assert size(archive, "*.parquet") < MOST_ROWS_BYTES
    assert size(archive, "*.brinell") < MOST_NETWORK_BYTES
    assert not [*archive.rglob("*.npz"), *archive.rglob("*.png"), *archive.rglob("*.jpg")]


@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda path: path.name)
def test_its_page_is_on_the_site(archive: Path) -> None:
    page = f"results/{archive.name}/report/index.html"
    assert f"]({page})" in (ROOT / "docs" / "results.md").read_text()
    assert (ROOT / "docs" / page).is_file()

"""A whole run to damage."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from brinell.store import RunStore
from store.whole_run import write_whole_run


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nobody may change it."""
    return write_whole_run(tmp_path_factory.mktemp("whole") / "run").root


@pytest.fixture
def whole(pristine: Path, tmp_path: Path) -> RunStore:
    """A copy in `tmp_path / "run"`."""
    return RunStore(Path(shutil.copytree(pristine, tmp_path / "run")))

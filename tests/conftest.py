"""What every room's tests share."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from brinell.data import Dataset, Digits

settings.register_profile("brinell", deadline=None, derandomize=True)  # a busy machine is no failure, nor is luck
settings.load_profile("brinell")
torch.set_num_threads(1)  # sums are then added up in one order, so that equal means bit-equal


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the pairs that only the full cross product tries, unless `-m` names them."""
    if "cross" in config.option.markexpr:
        return
    full = [item for item in items if item.get_closest_marker("cross")]
    if full:
        config.hook.pytest_deselected(items=full)
        items[:] = [item for item in items if not item.get_closest_marker("cross")]


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Every test draws the same numbers in any order and on any worker: a failure is one that can be repeated."""
    torch.manual_seed(0)


@pytest.fixture(autouse=True, scope="session")
def image_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Decoded images go to a folder of the tests' own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRINELL_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True, scope="session")
def quick_packers() -> Iterator[None]:
    """Variants that studies make are not compressed by zstd and Brotli, which take a second each whatever its size;
    tests of sizes have all packers."""
    module = import_module("brinell.container.sizes")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "PACKERS", {name: module.PACKERS[name] for name in ("deflate", "xz")})
        yield


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real images and checkpoints beside the repository."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not (folder / "data").is_dir() or not (folder / "weights").is_dir():
        pytest.skip(f"needs the real images and checkpoints in {folder}")
    return folder


@pytest.fixture(scope="session")
def digits() -> tuple[Dataset, Dataset]:
    """Scikit-learn's handwritten digits: 1,297 to train on, 500 to test on."""
    source = Digits()
    return source.load("train"), source.load("test")

"""A small trained network that every compressor is tried on."""

from __future__ import annotations

import pytest

from brinell.data import Dataset
from brinell.testing import digits_variant
from brinell.variants import Variant


@pytest.fixture(scope="session")
def trained() -> tuple[Variant, Dataset]:
    return digits_variant()


@pytest.fixture(scope="session")
def sample(trained: tuple[Variant, Dataset]) -> Dataset:
    return trained[1]


@pytest.fixture(scope="session")
def baseline(trained: tuple[Variant, Dataset]) -> Variant:
    return trained[0]

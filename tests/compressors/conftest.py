"""A small trained network that every compressor is tried on."""

from __future__ import annotations

import pytest

from brinell.data import Dataset, build
from brinell.models import ResNet8
from brinell.training import Train, fit
from brinell.variants import Variant


@pytest.fixture(scope="session")
def sample() -> Dataset:
    return build("digits", examples=300)


@pytest.fixture(scope="session")
def baseline(sample: Dataset) -> Variant:
    module = ResNet8(width=4).module(seed=0)
    fit(module, sample, Train(epochs=10, batch_size=32, learning_rate=0.1, schedule="one_cycle"), seed=0)
    return Variant.of(module, input_shape=(1, 8, 8), classes=10)

from __future__ import annotations

import time

import pytest
import torch
from torch import nn

from brinell.core import Registry
from brinell.probes import Latency, ProbeInput, latency
from brinell.runtimes import Auto, Reference, Runtime
from brinell.variants import Variant


class Slow(nn.Module):
    """Sleeps a millisecond an image."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3))

    def forward(self, images):
        time.sleep(1e-3 * len(images))
        return images.flatten(1)[:, :1] + self.weight


class Shifted(Runtime):
    """Gives the second class to half of the images."""

    kind = "shifted"

    def compile(self, module, input_shape):
        def run(images):
            return torch.eye(3)[(images[:, 0, 0, 0] > 0.5).long()]

        return run


@pytest.fixture
def asked():
    variant = Variant.of(Slow(), input_shape=(1, 2, 2), classes=3)
    images = torch.rand(3, 1, 2, 2)
    return ProbeInput(variant, images, torch.zeros(3, dtype=torch.int64), torch.arange(3), machine="this one")


def test_a_network_of_known_speed(asked):
    record = Latency(batches=(1, 8), runs=7).ask(asked).record
    assert (record["machine"], record["threads"]) == ("this one", torch.get_num_threads())
    one, eight, *_ = record["readings"]  # after the reference come the runtimes that are installed
    assert [one["runtime"], eight["runtime"]] == ["reference", "reference"]
    assert [one["differing"], eight["differing"]] == [0.0, 0.0]
    assert [(one["batch"], one["runs"]), (eight["batch"], eight["runs"])] == [(1, 7), (8, 7)]
    assert 1.0 <= one["low_ms"] <= one["median_ms"] <= one["high_ms"]
    assert one["median_ms"] < 8.0 <= eight["median_ms"]


def test_what_takes_long_is_repeated_less_often(asked, monkeypatch):
    monkeypatch.setattr(latency, "_PATIENCE", 0.0)
    reading, *_ = Latency(batches=(1,), runs=30).ask(asked).record["readings"]
    assert reading["runs"] == 5


def test_every_runtime_is_timed_and_its_predictions_are_compared(asked, monkeypatch):
    registry = Registry("runtime", Reference, Shifted, Auto)
    for module in ("brinell.probes.latency", "brinell.variants.variant"):
        monkeypatch.setattr(f"{module}.RUNTIMES", registry)
    asked.images[:] = torch.tensor([0.0, 0.2, 0.9]).view(3, 1, 1, 1)  # of the slow network all are of class 0
    readings = Latency(batches=(1,), runs=2).ask(asked).record["readings"]
    assert [(reading["runtime"], reading["differing"]) for reading in readings] == [
        ("reference", 0.0),
        ("shifted", pytest.approx(1 / 3)),
    ]

"""The energy model against sums made by hand; the meters against files and a library that pretend."""

from __future__ import annotations

import sys
import types
from dataclasses import replace

import pytest
import torch
from torch import nn

from brinell.costs import LayerCost, layers
from brinell.probes import Energy, ProbeInput, energy, meters
from brinell.variants import Step, Variant


def test_one_layer_by_hand():
    """9 x 8 = 72 products and sums of floats, 9 weights of 32 bits from DRAM, 8 outputs to SRAM and back."""
    layer = LayerCost("conv", "float", weights=9, nonzero=5, macs=72, xnor_ops=0, output_shape=(1, 2, 4))
    expected = 72 * (3.7 + 0.9) + 9 * 640 + 2 * 8 * 5
    assert energy.modelled([layer], weight_bytes=36) == pytest.approx(expected * 1e-12)


def test_integers_are_cheaper_by_hand():
    layer = LayerCost("conv", "float", weights=9, nonzero=5, macs=72, xnor_ops=0, output_shape=(1, 2, 4))
    expected = 72 * (0.2 + 0.03) + 9 / 4 * 640 + 2 * 8 / 4 * 5
    assert energy.modelled([layer], weight_bytes=9, integer=True) == pytest.approx(expected * 1e-12)


def test_a_binary_layer_by_hand():
    layer = LayerCost("conv", "binary", weights=64, nonzero=64, macs=0, xnor_ops=1000, output_shape=(4, 1, 1))
    expected = 1000 * 2 * 0.03 / 8 + 64 / 32 * 640 + 2 * 4 * 5
    assert energy.modelled([layer], weight_bytes=8) == pytest.approx(expected * 1e-12)


def test_layers_add_up_and_idle_ones_have_no_outputs():
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 3))
    counted = layers(network, (1, 4, 4))
    idle = LayerCost("idle", "float", weights=5, nonzero=5, macs=0, xnor_ops=0, output_shape=())
    macs, outputs = 2 * 4 * 9 + 24, 2 * 4 + 3
    expected = macs * 4.6 + 100 / 4 * 640 + 2 * outputs * 5
    assert energy.modelled([*counted, idle], weight_bytes=100) == pytest.approx(expected * 1e-12)


@pytest.fixture
def asked():
    network = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
    variant = Variant.of(network, input_shape=(1, 4, 4), classes=3)
    return ProbeInput(
        variant, torch.rand(20, 1, 4, 4), torch.zeros(20, dtype=torch.int64), torch.arange(20), machine="this one"
    )


def test_without_a_meter_the_energy_is_modelled(asked, monkeypatch):
    monkeypatch.setattr(energy, "find_meter", lambda: None)
    record = Energy(runs=3).ask(asked).record
    assert (record["source"], record["meter"], record["power_w"]) == ("modelled", "model", None)
    assert (record["machine"], record["examples"], record["runs"]) == ("this one", 20, 3)
    joules = 20 * 1e-12 * (48 * 4.6 + 48 * 640 + 2 * 3 * 5)
    assert record["energy_j"][0] == pytest.approx(joules)
    assert Energy(runs=7).ask(asked).record["energy_j"][1] == 0.0  # not the rounding of seven equal numbers' mean
    assert record["time_s"][0] > 0


def test_nominal_bytes_replace_the_count_of_weights(asked, monkeypatch):
    monkeypatch.setattr(energy, "find_meter", lambda: None)
    packed = ProbeInput(asked.variant, asked.images, asked.labels, asked.ids, weight_bytes=12)
    joules = 20 * 1e-12 * (48 * 4.6 + 3 * 640 + 2 * 3 * 5)
    assert Energy(runs=2).ask(packed).record["energy_j"][0] == pytest.approx(joules)


def test_integers_are_a_quarter_as_wide(asked, monkeypatch):
    monkeypatch.setattr(energy, "find_meter", lambda: None)
    variant = replace(asked.variant, lineage=(Step("int8", {}, 0),))
    joules = 20 * 1e-12 * (48 * 0.23 + 12 * 640 + 2 * 3 * 5 / 4)
    record = Energy(runs=2).ask(replace(asked, variant=variant)).record
    assert record["energy_j"] == pytest.approx([joules, 0.0])


def test_a_meter_is_read_around_every_run(asked, monkeypatch):
    counts = iter([0.0, 2.0, 2.0, 6.0, 6.0, 12.0])
    meter = meters.Meter("rapl", "cpu", lambda: (next(counts),), (100.0,))
    monkeypatch.setattr(energy, "find_meter", lambda: meter)
    record = Energy(runs=3).ask(asked).record
    assert (record["source"], record["meter"]) == ("measured", "rapl")
    assert record["energy_j"] == pytest.approx([4.0, 2.0])
    assert record["power_w"][0] > 0


def zone(folder, number, *, name="package-0", counter="1500000", most="262143328850"):
    place = folder / f"intel-rapl:{number}"
    place.mkdir()
    for file, content in (("name", name), ("energy_uj", counter), ("max_energy_range_uj", most)):
        (place / file).write_text(content + "\n")
    return place


def test_rapl_adds_up_packages_and_turns_over(tmp_path):
    one = zone(tmp_path, 0, counter="9000000", most="10000000")
    other = zone(tmp_path, 1, name="package-1", counter="5000000", most="10000000")
    zone(tmp_path, "0:0", name="core", counter="1")
    meter = meters.rapl(tmp_path)
    assert (meter.name, meter.device) == ("rapl", "cpu")
    before = meter.read()
    assert before == (9.0, 5.0)
    (one / "energy_uj").write_text("1000000")
    (other / "energy_uj").write_text("7000000")
    assert meter.since(before) == pytest.approx(2 + 2)


def test_no_rapl_without_packages_or_leave(tmp_path):
    assert meters.rapl(tmp_path / "none") is None
    zone(tmp_path, 0, counter="not a number")
    assert meters.rapl(tmp_path) is None


def test_nvml_counts_millijoules(monkeypatch):
    class NVMLError(Exception):
        pass

    nvml = types.SimpleNamespace(
        NVMLError=NVMLError,
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByUUID=lambda uuid: uuid,
        nvmlDeviceGetTotalEnergyConsumption=lambda handle: 1500 if handle == "GPU-abc" else 0,
    )
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: types.SimpleNamespace(uuid="abc"))
    meter = meters.find_meter()
    assert (meter.name, meter.device, meter.read()) == ("nvml", "cuda", (1.5,))

    def refuse(handle):
        raise NVMLError("not supported")

    nvml.nvmlDeviceGetTotalEnergyConsumption = refuse
    assert meters.find_meter(powercap=meters.POWERCAP / "none") is None

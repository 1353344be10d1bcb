"""What an evaluation costs in joules: measured where the machine can say, else modelled from operations and bytes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from brinell.compressors import COMPRESSORS
from brinell.costs import LayerCost, layers, measure
from brinell.probes.meters import Meter, find_meter
from brinell.probes.probe import Probe, ProbeInput, ProbeResult, to_dtype_of

_BATCH: Final = 250


@dataclass(frozen=True)
class Picojoules:
    """Energy of one operation (Horowitz, ISSCC 2014, 45 nm, 0.9 V)."""

    float_multiply: float = 3.7
    float_add: float = 0.9
    int8_multiply: float = 0.2
    int8_add: float = 0.03
    dram: float = 640.0
    """32 bits from off-chip memory."""
    sram: float = 5.0
    """32 bits from a cache of 8 kB."""


OF_45_NM: Final = Picojoules()


class Energy(Probe):
    """Time, power and energy of evaluating `examples` images, as mean and standard deviation over `runs`.

    Measured by NVML on an NVIDIA GPU, by RAPL on a processor that lets its counters be read. Elsewhere the time is
    measured and the energy is `modelled`: what it would be on a plain 45 nm accelerator, which ranks variants and
    says nothing about this machine.

    Examples:
        >>> import brinell
        >>> brinell.probes.Energy(runs=5).examples
        1000
    """

    kind = "energy"
    exclusive: ClassVar[bool] = True

    examples: int = Field(1000, ge=1)
    """Images of an evaluation."""
    runs: int = Field(10, ge=2)
    """Number of evaluations."""

    def ask(self, asked: ProbeInput) -> ProbeResult:
        """Evaluate so many times, with an eye on the meter."""
        meter = find_meter()
        device = torch.device("cpu" if meter is None else meter.device)
        network = asked.variant.deployed().to(device)
        images = to_dtype_of(network, asked.images).to(device)
        _evaluate(network, images[:_BATCH], device)  # warm
        seconds, joules = [], []
        for run in range(self.runs):
            before, began = meter.read() if meter else (), time.perf_counter()
            _evaluate(network, images, device)
            seconds.append(time.perf_counter() - began)
            if meter is not None:
                joules.append(meter.since(before))
            asked.progress("energy", run + 1, self.runs)
        energy = [modelled_energy_per_image(asked) * len(images), 0.0] if meter is None else _spread(joules)
        power = None if meter is None else [spent / took for spent, took in zip(joules, seconds, strict=True)]
        return ProbeResult(self._record(asked, meter, seconds, power, energy))

    def _record(
        self,
        asked: ProbeInput,
        meter: Meter | None,
        seconds: Sequence[float],
        power: Sequence[float] | None,
        energy: list[float],
    ) -> dict[str, Any]:
        return {
            "machine": asked.machine,
            "runtime": asked.variant.runtime,
            "source": "modelled" if meter is None else "measured",
            "meter": "model" if meter is None else meter.name,
            "runs": self.runs,
            "examples": len(asked.images),
            "time_s": _spread(seconds),
            "power_w": None if power is None else _spread(power),
            "energy_j": energy,
        }

    def passes(self) -> float:
        """All runs."""
        return float(self.examples * self.runs)


def modelled_energy_per_image(asked: ProbeInput) -> float:
    """Joules an image, by the model; a network of 8-bit integers computes with those, and moves them."""
    module, shape = asked.variant.deployed("reference"), asked.variant.input_shape
    integer = any(
        step.kind in COMPRESSORS and COMPRESSORS[step.kind].integer_arithmetic for step in asked.variant.lineage
    )
    weight_bytes = asked.weight_bytes
    if weight_bytes is None:
        weight_bytes = 1e6 * measure(module, shape).memory_mb / (4 if integer else 1)
    return modelled(layers(module, shape), weight_bytes=weight_bytes, integer=integer)


def modelled(
    counted: Sequence[LayerCost], *, weight_bytes: float, integer: bool = False, cost: Picojoules = OF_45_NM
) -> float:
    """Joules of one image: every operation, every weight from DRAM once, every output number to SRAM and back once.

    Weights that are zero count like others: dense hardware does not skip them. A multiply-accumulate is a product and
    a sum. Of an XNOR with its place in the count Horowitz says nothing: each of the two is taken as a full adder, an
    eighth of an 8-bit sum.
    """
    multiply, add = (cost.int8_multiply, cost.int8_add) if integer else (cost.float_multiply, cost.float_add)
    bits = 8 if integer else 32
    operations = sum(layer.macs * (multiply + add) + layer.xnor_ops * 2 * cost.int8_add / 8 for layer in counted)
    outputs = sum(int(np.prod(layer.output_shape)) for layer in counted if layer.output_shape)
    moved = weight_bytes * 8 / 32 * cost.dram + 2 * outputs * bits / 32 * cost.sram
    return 1e-12 * (operations + moved)


def _evaluate(network: Any, images: Tensor, device: torch.device) -> None:
    with torch.inference_mode():
        for part in images.split(_BATCH):
            network(part)
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _spread(values: Sequence[float]) -> list[float]:
    """Mean and standard deviation of the sample."""
    return [float(np.mean(values)), float(np.std(values, ddof=1))]

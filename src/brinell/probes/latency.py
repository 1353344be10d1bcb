"""How long a variant takes: wall-clock time of warmed forward passes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Final

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from brinell.core import ConfigurationError, UnsupportedError
from brinell.probes.probe import Probe, ProbeInput, ProbeResult, to_dtype_of
from brinell.runtimes import RUNTIMES, Reference
from brinell.variants import Variant

_WARMING: Final = 3
_PATIENCE: Final = 20.0
"""Seconds after which a batch size has to do with the runs it has, if those are five."""
_FEWEST: Final = 5
_AT_ONCE: Final = 64

Network = Callable[[Tensor], Tensor]


class Latency(Probe):
    """Median and quartiles of `runs` forward passes at each batch size, in every runtime that the variant has.

    Three passes warm caches and allocators before. A run that takes long is repeated less often, five times at least.
    Of each runtime it counts the images to which the reference gives another class.

    Examples:
        >>> import brinell
        >>> brinell.probes.Latency(batches=(1, 8)).runs
        30
    """

    kind = "latency"
    exclusive: ClassVar[bool] = True

    batches: tuple[int, ...] = (1, 256)
    """Batch sizes that are timed."""
    runs: int = Field(30, ge=1)
    """Timed forward passes for each batch size."""
    examples: int = Field(1, ge=1)
    """Images that the batches are filled with, over and over, and on which the runtimes' predictions are compared."""

    def ask(self, asked: ProbeInput) -> ProbeResult:
        """Time it."""
        readings = []
        networks = dict(runtimes(asked.variant))
        expected = _predictions(networks[Reference.kind], asked.images)
        for done, (name, network) in enumerate(networks.items()):
            differing = float((_predictions(network, asked.images) != expected).double().mean())
            for place, batch in enumerate(self.batches):
                asked.progress(name, done * len(self.batches) + place, len(networks) * len(self.batches))
                taken = self._time(network, asked.images, batch)
                readings.append({"runtime": name, "batch": batch, **taken, "differing": differing})
        record = {"machine": asked.machine, "threads": torch.get_num_threads(), "readings": readings}
        return ProbeResult(record)

    def _time(self, network: Network, images: Tensor, batch: int) -> dict[str, float | int]:
        filled = to_dtype_of(network, images).repeat(-(-batch // len(images)), 1, 1, 1)[:batch].contiguous()
        with torch.inference_mode():
            for _ in range(_WARMING):
                network(filled)
            taken: list[float] = []
            began = time.perf_counter()
            while len(taken) < self.runs:
                start = time.perf_counter()
                network(filled)
                taken.append(1e3 * (time.perf_counter() - start))
                if len(taken) >= _FEWEST and time.perf_counter() - began > _PATIENCE:
                    break
        low, median, high = (float(value) for value in np.percentile(taken, (25, 50, 75)))
        return {"median_ms": median, "low_ms": low, "high_ms": high, "runs": len(taken)}

    def passes(self) -> float:
        """All batches, warmed and timed."""
        return float(sum(self.batches) * (self.runs + _WARMING))


def _predictions(network: Network, images: Tensor) -> Tensor:
    with torch.inference_mode():
        return torch.cat([network(part).argmax(1) for part in to_dtype_of(network, images).split(_AT_ONCE)])


def runtimes(variant: Variant) -> Iterator[tuple[str, Any]]:
    """Those of the runtimes that are installed and run this variant, each with the network as it runs there."""
    for name in RUNTIMES:
        if not RUNTIMES[name].stable:
            continue
        try:
            yield name, variant.deployed(name)
        except (UnsupportedError, ConfigurationError):  # not for this network, wrong on this machine, or not installed
            continue

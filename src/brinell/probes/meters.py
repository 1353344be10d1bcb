"""Energy meters of this machine: NVML of an NVIDIA GPU, RAPL of a processor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import torch

from brinell.core import ConfigurationError, require

POWERCAP: Final = Path("/sys/class/powercap")


@dataclass(frozen=True)
class Meter:
    """Counters of joules that only grow, but for turning over at `wraps`."""

    name: Literal["nvml", "rapl"]
    device: str
    """Where the network has to run for the meter to see it."""
    read: Callable[[], tuple[float, ...]]
    wraps: tuple[float, ...]

    def since(self, before: tuple[float, ...]) -> float:
        """Joules since the counters said `before`."""
        spent = [now - then for now, then in zip(self.read(), before, strict=True)]
        return sum(more + wrap if more < 0 else more for more, wrap in zip(spent, self.wraps, strict=True))


def find_meter(powercap: Path = POWERCAP) -> Meter | None:
    """The GPU's meter where PyTorch has a GPU and NVML is installed, else the processor's where it may be read."""
    return _nvml() or rapl(powercap)


def _nvml() -> Meter | None:
    if not torch.cuda.is_available():
        return None
    try:
        nvml = require("pynvml", extra="gpu")
        nvml.nvmlInit()
        handle = nvml.nvmlDeviceGetHandleByUUID(f"GPU-{torch.cuda.get_device_properties(0).uuid}")
        nvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except ConfigurationError:
        return None
    except nvml.NVMLError:  # a GPU or a driver that does not count
        return None
    return Meter("nvml", "cuda", lambda: (nvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1e3,), (0.0,))


def rapl(powercap: Path) -> Meter | None:
    """The counters of all processor packages; `None` where there is none, or none that may be read."""
    counters, wraps = [], []
    for zone in sorted(powercap.glob("intel-rapl:*")):
        try:
            if (zone / "name").read_text().startswith("package"):
                wraps.append(_joules(zone / "max_energy_range_uj"))
                counters.append(zone / "energy_uj")
                _joules(counters[-1])
        except (OSError, ValueError):
            return None
    if not counters:
        return None
    return Meter("rapl", "cpu", lambda: tuple(_joules(counter) for counter in counters), tuple(wraps))


def _joules(path: Path) -> float:
    return int(path.read_text()) / 1e6

"""Probes: questions about a variant that take attacks or a clock to answer, one file each."""

from brinell.core import Registry
from brinell.probes import masking
from brinell.probes.activation_maps import ActivationMaps
from brinell.probes.corruptions import Corruptions
from brinell.probes.energy import Energy
from brinell.probes.gallery import Gallery
from brinell.probes.latency import Latency
from brinell.probes.masking import Masking
from brinell.probes.probe import Probe, ProbeInput, ProbeResult

# What programs written for the first version import.
Asked = ProbeInput
Answer = ProbeResult

PROBES: Registry[Probe] = Registry(
    "probe", Masking, Corruptions, ActivationMaps, Gallery, Latency, Energy, group="brinell.probes"
)

__all__ = [
    "PROBES",
    "ActivationMaps",
    "Corruptions",
    "Energy",
    "Gallery",
    "Latency",
    "Masking",
    "Probe",
    "ProbeInput",
    "ProbeResult",
    "masking",
]

"""Granularities of pruning: what is removed, what it costs, and how."""

from collections.abc import Sequence
from typing import Literal

from torch import nn

from brinell.compressors.granularities.cost import Cost, Term, largest_within
from brinell.compressors.granularities.parts import Counts, Parts, Sketch
from brinell.compressors.granularities.removal import Removal
from brinell.compressors.granularities.zeros import Zeros
from brinell.costs import LayerCost

Granularity = Literal["weight", "kernel", "filter", "channel"]


def parts_of(
    module: nn.Module, layers: Sequence[LayerCost], input_shape: Sequence[int], granularity: Granularity
) -> Parts:
    """What can be removed from `module`, whose `layers` have been counted.

    Raises:
        ModelError: nothing can be removed, or torch-pruning cannot trace the network.
    """
    if granularity == "filter" or granularity == "channel":
        return Removal(module, layers, input_shape, granularity)
    return Zeros(module, layers, granularity)


__all__ = ["Cost", "Counts", "Granularity", "Parts", "Sketch", "Term", "largest_within", "parts_of"]

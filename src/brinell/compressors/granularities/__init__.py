"""Granularities of pruning: what is removed, what it costs, and how."""

from collections.abc import Sequence
from typing import Literal

from torch import nn

from brinell.compressors.granularities.cost import Cost, Term, largest_within
from brinell.compressors.granularities.prunable_units import Counts, PrunableUnits, Sketch
from brinell.compressors.granularities.removed import RemovedUnits
from brinell.compressors.granularities.zeroed import ZeroedUnits
from brinell.costs import LayerCost

Granularity = Literal["weight", "kernel", "filter", "channel"]


def prunable_units(
    module: nn.Module, layers: Sequence[LayerCost], input_shape: Sequence[int], granularity: Granularity
) -> PrunableUnits:
    """What can be removed from `module`, whose `layers` have been counted.

    Args:
        module: It is not changed before a choice is applied.
        layers: Of `brinell.costs.layers`.
        input_shape: `(C, H, W)` of one image.
        granularity: `weight`, `kernel`, `filter` or `channel`.

    Returns:
        Scores and costs of the units, and how to remove them.

    Raises:
        ModelError: nothing can be removed, or torch-pruning cannot trace the network.

    Examples:
        >>> import brinell
        >>> model = brinell.models.build("resnet8")
        >>> units = prunable_units(model, brinell.costs.layers(model, (1, 8, 8)), (1, 8, 8), "weight")
        >>> type(units).__name__
        'ZeroedUnits'
    """
    if granularity == "filter" or granularity == "channel":
        return RemovedUnits(module, layers, input_shape, granularity)
    return ZeroedUnits(module, layers, granularity)


__all__ = ["Cost", "Counts", "Granularity", "PrunableUnits", "Sketch", "Term", "largest_within", "prunable_units"]

"""What every granularity offers: the units it removes, what they cost, and the pruned network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from torch import nn

from brinell.compressors.granularities.cost import Term
from brinell.training import AfterStep
from brinell.variants import StructureChange

Counts = Mapping[str, int]
"""How many units each layer (or group of layers) keeps."""

Sketch = Callable[[Counts], nn.Module]
"""The network pruned to these counts and not trained, for looking at: the next call may change what this one gave."""


class PrunableUnits(Protocol):
    """What can be removed from one network at one granularity."""

    unit: str
    """What is removed, in words: `weight`, `kernel`, `channel`."""
    units: Mapping[str, int]
    """How many there are, by layer, in order of execution."""
    left: Mapping[str, tuple[Term, ...]]
    """By layer of the network the share of its weights that is left; layers without an entry stay as they are."""
    vectors: Mapping[str, int]
    """Parameters that go with a layer's units besides weights (biases, batch norm), for all its units together."""

    def prune(self, module: nn.Module, counts: Counts) -> AfterStep | None:
        """Remove all but the `counts` units of highest score from `module`, in place.

        What is returned has to be called after every step of training, to keep removed what is removed.
        """

    def sketch(self, module: nn.Module) -> Sketch:
        """For pruning a frozen copy of `module` many times over, by the scores it has now."""

    def change(self, module: nn.Module) -> StructureChange | None:
        """What `prune` has done to the structure of `module`."""

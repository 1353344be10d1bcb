"""Filters and channels: what is pruned is removed, and the network really becomes narrower."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from brinell.compressors.granularities.channel_groups import find_groups, remove
from brinell.compressors.granularities.cost import Term
from brinell.compressors.granularities.group import Group
from brinell.compressors.granularities.prunable_units import Counts, Sketch
from brinell.costs import LayerCost
from brinell.nn import copy_module, depthwise, widths
from brinell.variants import PrunedChannels, Width

Side = Literal["filter", "channel"]


class RemovedUnits:
    """Channels in groups that come and go together, ranked by L2 norm: of the filters that give them, or of the weights
    that take them."""

    unit: str = "channel"

    def __init__(self, module: nn.Module, layers: Sequence[LayerCost], input_shape: Sequence[int], side: Side) -> None:
        self.side = side
        self.groups = find_groups(module, input_shape, [layer.name for layer in layers if layer.kind == "float"])
        self.units: Mapping[str, int] = {group.name: group.channels for group in self.groups}
        self.left: Mapping[str, tuple[Term, ...]] = _left(module, self.groups)
        self.vectors: Mapping[str, int] = {group.name: _vectors(module, group) for group in self.groups}

    def prune(self, module: nn.Module, counts: Counts) -> None:
        """Remove all but the best channels; `module` may have been pruned before, but not below `counts`."""
        orders = self._orders(module)
        remove(module, self.groups, {name: orders[name][: counts[name]].sort().values for name in orders})

    def sketch(self, module: nn.Module) -> Sketch:
        """Channels are ranked once; each call makes a copy."""
        orders = self._orders(module)
        whole = copy_module(module).eval().requires_grad_(False)

        def pruned(counts: Counts) -> nn.Module:
            network = copy_module(whole)
            remove(network, self.groups, {name: orders[name][:count].sort().values for name, count in counts.items()})
            return network

        return pruned

    def change(self, module: nn.Module) -> PrunedChannels:
        """The widths that are left of every layer that a group touches."""
        parts = dict(module.named_modules())
        touched = dict.fromkeys(name for group in self.groups for name in (*group.outputs, *group.inputs))
        return PrunedChannels(widths=tuple(Width(name, *widths(parts[name])) for name in touched))

    def _orders(self, module: nn.Module) -> dict[str, Tensor]:
        """The channels of each group, best first."""
        parts = dict(module.named_modules())
        return {group.name: self._scores(parts, group).argsort(descending=True, stable=True) for group in self.groups}

    @torch.no_grad()
    def _scores(self, parts: Mapping[str, nn.Module], group: Group) -> Tensor:
        """L2 norm of each channel `(channels,)` over all layers that give it (`filter`) or take it (`channel`)."""
        members = group.outputs if self.side == "filter" else group.inputs
        total = torch.zeros(group.channels, dtype=torch.float64)
        for name, places in members.items():
            layer = parts[name]
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                weight = layer.weight.detach().cpu().double()
                rows = weight if self.side == "filter" else weight.transpose(0, 1)
                total += rows.flatten(1).square().sum(1)[places].sum(1)
        return total.sqrt()


def _left(module: nn.Module, groups: Sequence[Group]) -> dict[str, tuple[Term, ...]]:
    """By layer the share of its weights that is left: its outputs' segments times its inputs'."""
    parts = dict(module.named_modules())
    given: dict[str, dict[str, int]] = defaultdict(dict)
    taken: dict[str, dict[str, int]] = defaultdict(dict)
    for group in groups:
        for segments, members in ((given, group.outputs), (taken, group.inputs)):
            for name, places in members.items():
                segments[name][group.name] = places.numel()
    left = {}
    for name in dict.fromkeys((*given, *taken)):
        layer = parts[name]
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            inputs, outputs = widths(layer)
            ours = [(1.0, ())] if depthwise(layer) else _segments(taken[name], inputs)
            left[name] = tuple(
                Term(above * beside, (*units, *others))
                for above, units in _segments(given[name], outputs)
                for beside, others in ours
            )
    return left


def _segments(members: Mapping[str, int], width: int) -> list[tuple[float, tuple[str, ...]]]:
    """One side of a layer as shares of its width, by the group that they belong to; the rest belongs to none."""
    found: list[tuple[float, tuple[str, ...]]] = [(count / width, (name,)) for name, count in members.items()]
    rest = width - sum(members.values())
    return [*found, (rest / width, ())] if rest else found


def _vectors(module: nn.Module, group: Group) -> int:
    """Biases and numbers of batch norms that belong to the group's channels."""
    parts = dict(module.named_modules())
    return sum(
        places.numel()
        for name, places in group.outputs.items()
        for vector in ("weight", "bias")
        if getattr(parts[name], vector) is not None and getattr(parts[name], vector).dim() == 1
    )

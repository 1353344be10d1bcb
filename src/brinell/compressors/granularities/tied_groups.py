"""Groups of channels that meet in a weight which several layers share: they are pruned as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from brinell.compressors.granularities.group import Group
from brinell.nn import tied_layers


def merge_tied(network: nn.Module, groups: Sequence[Group]) -> tuple[Group, ...]:
    """Groups of which those that meet in a shared weight are one; such that cannot be one are left out."""
    merged = list(groups)
    for names in tied_layers(network, (nn.Conv2d, nn.Linear)).values():
        for side in ("inputs", "outputs") if len(names) > 1 else ():
            merged = _merged(merged, names, side)
    order = {group.name: index for index, group in enumerate(groups)}
    return tuple(sorted(merged, key=lambda group: order[group.name]))


def _merged(groups: list[Group], names: Sequence[str], side: str) -> list[Group]:
    """With one group in place of those that hold a `side` (`inputs`, `outputs`) of the tied layers `names`."""
    by_layer = [[group for group in groups if name in getattr(group, side)] for name in names]
    found = list({id(group): group for own in by_layer for group in own}.values())
    rest = [group for group in groups if group not in found]
    if not found:
        return groups
    index = [getattr(group, side)[name] for name, own in zip(names, by_layer, strict=True) for group in own]
    one = _as_one(found, index) if all(len(own) == 1 for own in by_layer) else None
    return rest if one is None else [*rest, one]


def _as_one(groups: Sequence[Group], index: Sequence[Tensor]) -> Group | None:
    """One group of several; `None` where a channel of one is not the same channel of the shared weight in another."""
    if len(groups) == 1:
        return groups[0]
    inputs = {name: channels for group in groups for name, channels in group.inputs.items()}
    outputs = {name: channels for group in groups for name, channels in group.outputs.items()}
    each_once = len(inputs) + len(outputs) == sum(len(group.inputs) + len(group.outputs) for group in groups)
    if not each_once or not all(torch.equal(channels, index[0]) for channels in index):
        return None
    return replace(groups[0], inputs=inputs, outputs=outputs)

"""Which channels of a network come and go together: torch-pruning's dependency graph, and a check that it is true."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from brinell.compressors.granularities.group import Group
from brinell.compressors.granularities.tied_groups import merge_tied
from brinell.core import ModelError
from brinell.nn import SLICEABLE, copy_module, depthwise, frozen_names, kept_ties, slice_channels, widths

_CLOSE = 1e-6


def find_groups(module: nn.Module, input_shape: Sequence[int], order: Sequence[str]) -> tuple[Group, ...]:
    """The groups of channels that can be removed from `module`; its layers are looked at in `order`.

    A group with a frozen layer does not count. Those of layers that share a weight are one: the weight loses the same
    channels for all of its layers. A group counts only if removing half of its channels gives what the whole network
    computes where nobody looks at them: that leaves out the logits, shortcuts that pad with zeros (option A), and
    whatever torch-pruning mistakes.

    Raises:
        ModelError: torch-pruning cannot trace the network, or it has no such group.
    """
    frozen = {name.rpartition(".")[0] for name in frozen_names(module)}
    network = copy_module(module).cpu().double().eval().requires_grad_(True)
    image = torch.rand(1, *input_shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    unfrozen = [group for group in _candidates(network, image, order) if not frozen & group.members]
    candidates = merge_tied(network, unfrozen)
    network.requires_grad_(False)
    sound = {group.name for group in _sound(network, image, sorted(candidates, key=_members))}
    found = tuple(group for group in candidates if group.name in sound)
    if len(found) < len(candidates) and not _true(network, image, found):
        raise ModelError("model: its channels depend on each other in a way that torch-pruning does not see")
    if not found:
        reason = "; layers with frozen parameters stay as they are" if frozen else ""
        raise ModelError(f"{type(module).__name__} has no channels that could be removed{reason}")
    return found


def remove(module: nn.Module, groups: Sequence[Group], kept: Mapping[str, Tensor]) -> None:
    """Keep the channels `kept` (places, ascending) of each of `groups`, in place."""
    parts = dict(module.named_modules())
    stay = _places(parts, groups, kept)
    with kept_ties(module, SLICEABLE):
        for name, (inputs, outputs) in stay.items():
            slice_channels(parts[name], inputs, outputs)


def _places(
    parts: Mapping[str, nn.Module], groups: Sequence[Group], kept: Mapping[str, Tensor]
) -> dict[str, tuple[Tensor, Tensor]]:
    """For every layer that is touched, which inputs and outputs stay."""
    flags: dict[str, tuple[Tensor, Tensor]] = {}
    for group in groups:
        gone = torch.ones(group.channels, dtype=torch.bool)
        gone[kept[group.name]] = False
        for side, members in enumerate((group.inputs, group.outputs)):
            for name, places in members.items():
                if name not in flags:
                    inputs, outputs = widths(parts[name])
                    flags[name] = torch.ones(inputs, dtype=torch.bool), torch.ones(outputs, dtype=torch.bool)
                flags[name][side][places[gone].flatten()] = False
    return {name: (inputs.nonzero()[:, 0], outputs.nonzero()[:, 0]) for name, (inputs, outputs) in flags.items()}


# torch-pruning


def _candidates(network: nn.Module, image: Tensor, order: Sequence[str]) -> Iterator[Group]:
    """What torch-pruning takes for groups, if every layer in them is one that can be made narrower."""
    import torch_pruning  # costs a second, which only this kind of pruning should pay

    names = {layer: name for name, layer in network.named_modules()}
    parts = dict(network.named_modules())
    seen: set[str] = set()
    with _traced(network, image) as graph:
        for name in order:
            layer = parts[name]
            if name in seen or not isinstance(layer, (nn.Conv2d, nn.Linear)) or not _narrowable(layer):
                continue
            linear = isinstance(layer, nn.Linear)
            prune = torch_pruning.prune_linear_out_channels if linear else torch_pruning.prune_conv_out_channels
            channels = widths(layer)[1]
            try:
                items = graph.get_pruning_group(layer, prune, list(range(channels))).items
            except Exception:  # noqa: S112 - an inconsistent graph raises anything; its layers stay as they are
                continue
            group = _group(name, channels, items, graph, names)
            if group is not None and channels > 1:
                seen |= group.outputs.keys()
                yield group


@contextmanager
def _traced(network: nn.Module, image: Tensor) -> Iterator[Any]:
    import torch_pruning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with _RefuseNormsAcrossChannels(), torch.no_grad():
                network(image.clone())
            graph = torch_pruning.DependencyGraph().build_dependency(network, example_inputs=image)
        except ModelError:
            raise
        except Exception as error:  # it runs the user's own forward pass, which may raise anything
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise ModelError(f"model: torch-pruning cannot trace it ({reason}); prune weights or kernels") from error
        yield graph


class _RefuseNormsAcrossChannels(TorchFunctionMode):
    """Removing a channel gives others new neighbours; torch-pruning does not come to an end on such a network."""

    def __torch_function__(
        self, function: Any, types: Any, arguments: tuple[Any, ...] = (), options: dict[str, Any] | None = None
    ) -> Any:
        if function is nn.functional.local_response_norm:
            raise ModelError(
                "model: local_response_norm divides each channel by its neighbours, so that none can be removed; "
                "prune weights or kernels"
            )
        return function(*arguments, **(options or {}))


def _group(name: str, channels: int, items: Any, graph: Any, names: Mapping[nn.Module, str]) -> Group | None:
    inputs: dict[str, Tensor] = {}
    outputs: dict[str, Tensor] = {}
    for item in items:
        layer = item.dep.target.module
        if not isinstance(layer, nn.Module):
            return None  # a bare parameter
        if layer not in names or not any(True for _ in layer.parameters()):
            continue  # an operation without channels of its own
        places = _table(channels, item.root_idxs, item.idxs)
        outward = graph.is_out_channel_pruning_fn(item.dep.handler) or depthwise(layer)
        if places is None or not _narrowable(layer) or int(places.max()) >= widths(layer)[outward]:
            return None
        (outputs if outward else inputs)[names[layer]] = places
    return Group(name, channels, inputs, outputs) if inputs else None


def _table(channels: int, roots: Sequence[int], places: Sequence[int]) -> Tensor | None:
    """`(channels, s)`: where each channel lies in a layer; `None` unless each lies at as many places of its own."""
    if roots is None or len(roots) != len(places) or len(set(places)) < len(places):
        return None
    found: list[list[int]] = [[] for _ in range(channels)]
    for root, place in zip(roots, places, strict=True):
        found[root].append(place)
    if len({len(row) for row in found}) != 1 or not found[0]:
        return None
    return torch.tensor(found)


def _narrowable(layer: nn.Module) -> bool:
    if not isinstance(layer, SLICEABLE) or not isinstance(getattr(layer, "weight", None), nn.Parameter | None):
        return False
    return not isinstance(layer, nn.Conv2d) or layer.groups == 1 or depthwise(layer)


# The check


def _members(group: Group) -> int:
    return len(group.inputs) + len(group.outputs)


def _sound(network: nn.Module, image: Tensor, groups: Sequence[Group]) -> Sequence[Group]:
    """Those that pass the check. The smallest stand first: where some fail, they mostly stand together at the end."""
    if _true(network, image, groups):
        return groups
    if len(groups) < 2:
        return ()
    middle = len(groups) // 2
    return (*_sound(network, image, groups[:middle]), *_sound(network, image, groups[middle:]))


@torch.no_grad()
def _true(network: nn.Module, image: Tensor, groups: Sequence[Group]) -> bool:
    """Whether removing half of each group's channels equals hiding them from the layers that take them."""
    if not groups:
        return True
    generator = torch.Generator().manual_seed(1)
    kept = {
        group.name: torch.randperm(group.channels, generator=generator)[: (group.channels + 1) // 2].sort().values
        for group in groups
    }
    hidden, removed = copy_module(network), copy_module(network)
    parts = dict(hidden.named_modules())
    for group in groups:
        gone = torch.ones(group.channels, dtype=torch.bool)
        gone[kept[group.name]] = False
        for name, places in group.inputs.items():
            parts[name].weight[:, places[gone].flatten()] = 0.0
    try:
        remove(removed, groups, kept)
        expected, found = hidden(image), removed(image)
    except (RuntimeError, IndexError, ValueError):
        return False
    if expected.shape != found.shape:
        return False
    scale = float(expected.abs().max().clamp_min(1e-12))
    return bool((expected - found).abs().max() <= _CLOSE * scale)

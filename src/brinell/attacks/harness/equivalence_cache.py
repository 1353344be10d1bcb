"""What comparisons of forms have shown, kept while the network lives: one proof a network, form and device."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final
from weakref import WeakKeyDictionary

import torch
from torch import nn

from brinell.attacks.harness.network_check import NetworkTraits

_HOOKS: Final = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
_OF_ALL_MODULES: Final = tuple(f"_global{name}" for name in (*_HOOKS, "_forward_hooks_always_called"))
_FEW: Final = 64
_PLAIN: Final = (bool, int, float, str, bytes, type(None), torch.dtype)


@dataclass
class EquivalenceResults:
    """`verdicts` by role and recipe: `None` for the same function, else how it differs."""

    traits: NetworkTraits | None = None
    verdicts: dict[tuple[str, str], str | None] = field(default_factory=dict)
    gradient: tuple[str, ...] | None = None
    """A remark on its input gradient; `None` before it was looked at."""
    differs: WeakKeyDictionary[nn.Module, tuple[str, ...]] = field(default_factory=WeakKeyDictionary)
    """By a network that is judged: a remark where this one, which gives its gradients, is not the same."""

    def rejected(self, role: str) -> list[str]:
        """Which forms of `role` were not the same function, and why."""
        return [f"{recipe}: {reason}" for (own, recipe), reason in self.verdicts.items() if own == role and reason]


_KNOWN: WeakKeyDictionary[nn.Module, tuple[Hashable, dict[Hashable, EquivalenceResults]]] = WeakKeyDictionary()


def equivalence_results(network: object, device: torch.device, shape: Sequence[int]) -> EquivalenceResults:
    """What is known of `network` on `device` with images of `shape`; nothing if it was changed since.

    A function has no state that could be looked at: its results are not kept.
    """
    if not isinstance(network, nn.Module):
        return EquivalenceResults()
    token = _token(network)
    known, results = _KNOWN.get(network, (None, {}))
    if known != token:
        results = {}
        _KNOWN[network] = (token, results)
    return results.setdefault((device, tuple(shape)), EquivalenceResults())


def _token(network: nn.Module) -> Hashable:
    """Changes where a module, a hook, a weight or a plain setting of the network is another."""
    parts = tuple(
        (
            id(part),
            part.training if "training" in vars(part) else None,
            id(vars(part).get("forward")),
            next((id(vars(kind)["forward"]) for kind in type(part).__mro__ if "forward" in vars(kind)), None),
            tuple(key for name in _HOOKS for key in (getattr(part, name, None) or ())),
            tuple((key, repr(value)) for key, value in vars(part).items() if _is_plain(value)),
        )
        for part in network.modules()
    )
    tensors = tuple((id(tensor), tensor._version) for tensor in chain(network.parameters(), network.buffers()))
    hooks_of_all = tuple(key for name in _OF_ALL_MODULES for key in (getattr(nn.modules.module, name, None) or ()))
    return parts, tensors, hooks_of_all


def _is_plain(value: Any) -> bool:
    """A setting whose text says all of it: a number, a name, or a short list of such."""
    if isinstance(value, (list, tuple)):
        return len(value) <= _FEW and all(isinstance(item, _PLAIN) for item in value)
    return isinstance(value, _PLAIN)

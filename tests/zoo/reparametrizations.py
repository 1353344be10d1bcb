"""Networks whose weights are computed from others: by hooks of the old kind, and by parametrisations."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize, prune

from zoo.odd import OddNetwork, Small, settled


def _small_with(change: Callable[[nn.Module], object], *, called: bool | None = None) -> Callable[[], nn.Module]:
    """`called`: after a forward pass with (True) or without (False) gradients, or before any."""

    def build() -> nn.Module:
        network = Small()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the old kind is deprecated, and still what many checkpoints were made by
            change(network.second)
        network.eval()
        if called is not None:
            with torch.set_grad_enabled(called):
                network(torch.rand(2, 1, 8, 8))
        return network

    return build


def stale_weight() -> nn.Module:
    """The attribute `weight` is that of another checkpoint until the next forward pass."""
    network = _small_with(nn.utils.weight_norm, called=False)()
    network.load_state_dict(_small_with(nn.utils.weight_norm)().state_dict())
    return network


def pruned_twice(layer: nn.Module) -> None:
    prune.ln_structured(layer, "weight", 0.25, n=2, dim=0)
    prune.random_unstructured(layer, "weight", 0.3)


class _Symmetric(nn.Module):
    def forward(self, weight: Tensor) -> Tensor:
        return (weight + weight.flip(-1)) / 2


def symmetric(layer: nn.Module) -> None:
    parametrize.register_parametrization(layer, "weight", _Symmetric())


class WeightStandardized(nn.Conv2d):
    """Standardises its weights in forward (Qiao et al. 2019)."""

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        weight = weight / (weight.std((1, 2, 3), keepdim=True) + 1e-5)
        return self._conv_forward(x, weight, self.bias)


def standardized() -> nn.Module:
    network = Small()
    network.second = WeightStandardized(6, 8, 3, padding=1)
    network.second_norm = settled(nn.BatchNorm2d(8))
    return network.eval()


NETWORKS = (
    OddNetwork("weight norm of the hook kind", _small_with(nn.utils.weight_norm)),
    OddNetwork("weight norm of the hook kind after a forward pass", _small_with(nn.utils.weight_norm, called=True)),
    OddNetwork("weight norm of the hook kind without gradients", _small_with(nn.utils.weight_norm, called=False)),
    OddNetwork("weight norm of the hook kind with a stale weight", stale_weight),
    OddNetwork("weight norm", _small_with(parametrizations.weight_norm)),
    OddNetwork("spectral norm of the hook kind", _small_with(nn.utils.spectral_norm)),
    OddNetwork("spectral norm of the hook kind after a forward pass", _small_with(nn.utils.spectral_norm, called=True)),
    OddNetwork("spectral norm", _small_with(parametrizations.spectral_norm)),
    OddNetwork("orthogonal weights", _small_with(parametrizations.orthogonal)),
    OddNetwork("pruned by hooks", _small_with(lambda layer: prune.l1_unstructured(layer, "weight", 0.5))),
    OddNetwork("pruned by hooks twice after a forward pass", _small_with(pruned_twice, called=True)),
    OddNetwork("parametrisation of its own", _small_with(symmetric)),
    OddNetwork("weight standardisation", standardized),
)

"""Networks with hooks: a copy that drops one computes another function."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from zoo.odd import CLASSES, OddNetwork, Small


def _small() -> Small:
    return Small().eval()


def pre_hook_on_the_network() -> nn.Module:
    network = _small()
    network.register_forward_pre_hook(lambda module, args: ((args[0] - 0.3) / 0.2,))
    return network


def pre_hook_with_keywords() -> nn.Module:
    network = _small()
    network.register_forward_pre_hook(
        lambda module, args, keywords: (((args[0] - 0.3) / 0.2,), keywords), with_kwargs=True
    )
    return network


def hook_on_the_network() -> nn.Module:
    network = _small()
    network.register_forward_hook(lambda module, args, out: out.roll(1, dims=1) * 3)
    return network


def mask_on_a_batch_norm() -> nn.Module:
    network = _small()
    mask = (torch.arange(6) < 3).view(-1, 1, 1)
    network.first_norm.register_forward_hook(lambda module, args, out: out * mask)
    return network


def hook_on_a_container() -> nn.Module:
    network = nn.Sequential(
        nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU()), nn.Flatten(), nn.Linear(144, 10)
    )
    network[0].register_forward_hook(lambda module, args, out: out - out.mean((2, 3), keepdim=True))
    return network.eval()


def always_called_hook() -> nn.Module:
    network = _small()
    network.second.register_forward_hook(lambda module, args, out: out.abs(), always_call=True)
    return network


def backward_hook() -> nn.Module:
    network = _small()
    network.second.register_full_backward_hook(lambda module, into, out: (into[0].sign(),))
    return network


def backward_pre_hook() -> nn.Module:
    network = _small()
    network.second_norm.register_full_backward_pre_hook(lambda module, out: (out[0] * (out[0] > 0),))
    return network


class _OwnMethod(Small):
    """Registers a method of its own on a child; a copy's hook has to be bound to the copy."""

    def __init__(self) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.full((6, 1, 1), 0.7))
        self.first.register_forward_hook(self.moved)

    def moved(self, module: nn.Module, args: Any, out: Tensor) -> Tensor:
        return out + self.shift


class _TensorHook(Small):
    """Clips the gradient where it passes the second convolution's input."""

    def forward(self, x: Tensor) -> Tensor:
        maps = self.first_norm(self.first(x)).relu()
        if maps.requires_grad:
            maps.register_hook(lambda gradient: gradient.clamp(-0.01, 0.01))
        return self.classifier(
            nn.functional.adaptive_max_pool2d(self.second_norm(self.second(maps)).relu(), 2).flatten(1)
        )


class _Recorder:
    """Keeps what a layer gave: a hook with a state, which a copy must not share."""

    def __init__(self) -> None:
        self.seen: list[Tensor] = []

    def __call__(self, module: nn.Module, args: Any, out: Tensor) -> None:
        self.seen = [out]


def recording_hook() -> nn.Module:
    network = _small()
    network.first.register_forward_hook(_Recorder())
    network(torch.rand(2, 1, 8, 8))
    return network


def hook_that_writes_in_place() -> nn.Module:
    network = _small()

    def negate(module: nn.Module, args: Any, out: Tensor) -> None:
        out.mul_(-1)

    network.second.register_forward_hook(negate)
    return network


def pre_hook_that_writes_in_place() -> nn.Module:
    """Normalises the caller's images themselves."""
    network = _small()

    def normalize(module: nn.Module, args: tuple[Tensor]) -> None:
        args[0].sub_(0.3).div_(0.2)

    network.register_forward_pre_hook(normalize)
    return network


class _UnitLength:
    """Weight normalisation as people wrote it before PyTorch had one: `weight` becomes a plain attribute."""

    def __call__(self, module: nn.Module, args: Any) -> None:
        module.weight = module.direction / module.direction.norm() * module.length


def weight_computed_by_a_hook() -> nn.Module:
    network = _small()
    layer = network.second
    weight = layer._parameters.pop("weight").data
    layer.direction, layer.length = nn.Parameter(weight), nn.Parameter(torch.tensor(3.0))
    layer.weight = weight
    layer.register_forward_pre_hook(_UnitLength())
    return network


def _binarize(module: nn.Module, args: Any) -> None:
    module.weight.data.copy_(module.weight.data.sign() * 0.1)


def weights_written_by_a_hook() -> nn.Module:
    """BinaryConnect: the weights are overwritten by their signs at each pass."""
    network = _small()
    network.second.register_forward_pre_hook(_binarize)
    return network


class _Guided:
    """Guided backpropagation: only what is positive goes back through a rectifier."""

    def __call__(self, module: nn.Module, into: tuple[Tensor], out: Any) -> tuple[Tensor]:
        return (into[0].clamp(min=0),)


def guided_backpropagation() -> nn.Module:
    layers = [nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 6, 3, padding=1), nn.ReLU()]
    network = nn.Sequential(*layers, nn.Flatten(), nn.Linear(384, CLASSES)).eval()
    for rectifier in (network[1], network[3]):
        rectifier.register_full_backward_hook(_Guided())
    return network


def clipping_hook_on_a_rectifier() -> nn.Module:
    layers = [nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU()]
    network = nn.Sequential(*layers, nn.Flatten(), nn.Linear(384, CLASSES)).eval()
    network[2].register_forward_hook(lambda module, args, out: out.clamp(max=0.4))
    return network


def _scale(module: nn.Module, args: Any, out: Tensor, *, factor: float) -> Tensor:
    return out * factor


def several_hooks_in_order() -> nn.Module:
    network = _small()
    network.first_norm.register_forward_hook(partial(_scale, factor=0.5))
    network.first.register_forward_hook(lambda module, args, keywords, out: out + 1, with_kwargs=True)
    network.first.register_forward_hook(lambda module, args, out: out * 2, prepend=True)
    return network


def hook_on_dropout() -> nn.Module:
    network = nn.Sequential(nn.Conv2d(1, 6, 3), nn.Dropout(0.5), nn.Flatten(), nn.Linear(216, CLASSES)).eval()
    network[1].register_forward_hook(partial(_scale, factor=1.7))
    return network


NETWORKS = (
    OddNetwork("pre-hook on the network", pre_hook_on_the_network),
    OddNetwork("pre-hook with keywords", pre_hook_with_keywords),
    OddNetwork("hook on the network", hook_on_the_network),
    OddNetwork("mask on a batch norm", mask_on_a_batch_norm),
    OddNetwork("hook on a container", hook_on_a_container),
    OddNetwork("hook that is always called", always_called_hook),
    OddNetwork("backward hook", backward_hook),
    OddNetwork("backward pre-hook", backward_pre_hook),
    OddNetwork("hook bound to its owner", lambda: _OwnMethod().eval()),
    OddNetwork("hook on a tensor", lambda: _TensorHook().eval()),
    OddNetwork("recording hook", recording_hook),
    OddNetwork("hook that writes in place", hook_that_writes_in_place),
    OddNetwork("pre-hook that writes in place", pre_hook_that_writes_in_place),
    OddNetwork("weight computed by a hook", weight_computed_by_a_hook),
    OddNetwork("weights written by a hook", weights_written_by_a_hook),
    OddNetwork("guided backpropagation", guided_backpropagation),
    OddNetwork("clipping hook on a rectifier", clipping_hook_on_a_rectifier),
    OddNetwork("several hooks in order", several_hooks_in_order),
    OddNetwork("hook on dropout", hook_on_dropout),
)

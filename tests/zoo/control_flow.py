"""Networks whose forward pass branches: on arguments, types, values, modes, or that was replaced on the instance."""

from __future__ import annotations

import types
from functools import wraps
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.odd import OddNetwork, Small


def _normalized(x: Tensor) -> Tensor:
    return (x - 0.3) / 0.2


class OptionalTargets(Small):
    def forward(self, x: Tensor, targets: Tensor | None = None) -> Any:
        out = super().forward(x)
        return out if targets is None else (out, F.cross_entropy(out, targets))


class LossInTraining(Small):
    def forward(self, x: Tensor, targets: Tensor | None = None) -> Tensor:
        out = super().forward(x)
        if targets is not None:
            return F.cross_entropy(out, targets)
        return out


class OptionalScale(Small):
    def forward(self, x: Tensor, scale: float | None = None) -> Tensor:
        if scale is None:
            x = _normalized(x)
        return super().forward(x)


class KeywordOnly(Small):
    def forward(self, x: Tensor, *, normalize: bool = True) -> Tensor:
        return super().forward(_normalized(x) if normalize else x)


class AnyArguments(Small):
    def forward(self, *args: Tensor, **keywords: Any) -> Tensor:
        (x,) = args
        return super().forward(x if keywords else _normalized(x))


class AsksForTensors(Small):
    def forward(self, x: Tensor) -> Tensor:
        if isinstance(x, torch.Tensor):
            x = _normalized(x)
        return super().forward(x)


class AsksForTheType(Small):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(_normalized(x) if type(x) is torch.Tensor else x)


class TakesLists(Small):
    """As PyTorch's detection models do."""

    def forward(self, x: Any) -> Tensor:
        if not isinstance(x, torch.Tensor):
            x = torch.stack(list(x))
        return super().forward(x)


class BranchesOnValues(Small):
    """Data-dependent, for the batch as a whole."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(_normalized(x) if x.max() <= 1 else x / 255)


class BranchesOnGradients(Small):
    """Takes another way where a gradient is asked for."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(_normalized(x)) if not torch.is_grad_enabled() else super().forward((x - 0.3) * 5)


class BranchesOnTheMode(Small):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x + 0.1 if self.training else _normalized(x))


class BranchesOnTheBatch(Small):
    """Splits large batches, by `len`."""

    def forward(self, x: Tensor) -> Tensor:
        if len(x) > 4:
            return torch.cat([self.forward(part) for part in x.split(4)])
        return super().forward(x)


class ChecksItsInput(Small):
    def forward(self, x: Tensor) -> Tensor:
        assert x.dim() == 4
        assert x.shape[1] == 1
        return super().forward(x)


class LoopsOverImages(Small):
    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([super(LoopsOverImages, self).forward(image[None]) for image in x])


class AsksForTheLayout(Small):
    def forward(self, x: Tensor) -> Tensor:
        maps = self.first_norm(self.first(x))
        if maps.is_contiguous(memory_format=torch.channels_last):
            maps = maps * 2
        maps = F.max_pool2d(maps.relu(), 2)
        return self.classifier(F.max_pool2d(self.second_norm(self.second(maps)).relu(), 2).flatten(1))


class AsksForTheRequest(Small):
    """Computes something else for images that require a gradient."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(_normalized(x) if not x.requires_grad else x)


class AsksForTracing(Small):
    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.jit.is_tracing() or torch.compiler.is_compiling() or "Proxy" in type(x).__name__
        return super().forward(x if hidden else _normalized(x))


class AsksForTheMode(Small):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x if torch.is_inference_mode_enabled() else _normalized(x))


class BranchesOnEachImage(Small):
    def forward(self, x: Tensor) -> Tensor:
        bright = x.mean((1, 2, 3), keepdim=True) > 0.5
        return super().forward(torch.where(bright, _normalized(x), x))


class PadsItsBatch(Small):
    """Takes multiples of four images, and fills up with the first."""

    def forward(self, x: Tensor) -> Tensor:
        count = len(x)
        if count % 4:
            x = torch.cat([x, x[:1].expand(4 - count % 4, -1, -1, -1)])
        return super().forward(x)[:count]


def normalizing(forward: Any) -> Any:
    """A decorator of forward passes."""

    @wraps(forward)
    def wrapped(self: nn.Module, x: Tensor) -> Any:
        return forward(self, _normalized(x))

    return wrapped


class Decorated(Small):
    @normalizing
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)


class CallsItself(Small):
    """Its class replaces `__call__`."""

    def __call__(self, x: Tensor) -> Any:
        return super().__call__(_normalized(x))


def forward_set_on_the_class() -> nn.Module:
    class Patched(Small):
        pass

    before = Patched.forward
    Patched.forward = lambda self, x: before(self, _normalized(x))
    return Patched().eval()


class HandlesErrors(Small):
    """Falls back on another way where the first one raises, which tracing runs into."""

    def forward(self, x: Tensor) -> Tensor:
        try:
            scale = float(x.detach().amax())
        except Exception:
            scale = 3.0
        return super().forward(x / scale)


def method_on_the_instance() -> nn.Module:
    network = Small().eval()
    network.forward = types.MethodType(lambda self, x: Small.forward(self, _normalized(x)), network)
    return network


def closure_on_the_instance() -> nn.Module:
    network = Small().eval()
    before = network.forward
    network.forward = lambda x: before(_normalized(x))
    return network


def closure_on_a_child() -> nn.Module:
    network = Small().eval()
    before = network.second.forward
    network.second.forward = lambda x: before(x) * 2
    return network


def closure_in_training_mode() -> nn.Module:
    return closure_on_the_instance().train()


NETWORKS = (
    OddNetwork("optional targets", lambda: OptionalTargets().eval()),
    OddNetwork("loss where targets are given", lambda: LossInTraining().eval()),
    OddNetwork("optional scale", lambda: OptionalScale().eval()),
    OddNetwork("keyword-only argument", lambda: KeywordOnly().eval()),
    OddNetwork("any arguments", lambda: AnyArguments().eval()),
    OddNetwork("isinstance of its input", lambda: AsksForTensors().eval()),
    OddNetwork("type of its input", lambda: AsksForTheType().eval()),
    OddNetwork("lists or tensors", lambda: TakesLists().eval()),
    OddNetwork("branch on values", lambda: BranchesOnValues().eval()),
    OddNetwork("branch on the gradient mode", lambda: BranchesOnGradients().eval()),
    OddNetwork("branch on the training mode", lambda: BranchesOnTheMode().eval()),
    OddNetwork("branch on the batch", lambda: BranchesOnTheBatch().eval()),
    OddNetwork("assertions about its input", lambda: ChecksItsInput().eval()),
    OddNetwork("loop over the images", lambda: LoopsOverImages().eval()),
    OddNetwork("branch on the memory layout", lambda: AsksForTheLayout().eval()),
    OddNetwork("branch on the images' gradient", lambda: AsksForTheRequest().eval()),
    OddNetwork("branch on tracing", lambda: AsksForTracing().eval()),
    OddNetwork("branch on inference mode", lambda: AsksForTheMode().eval()),
    OddNetwork("branch on each image", lambda: BranchesOnEachImage().eval()),
    OddNetwork("batch that is filled up", lambda: PadsItsBatch().eval()),
    OddNetwork("decorated forward", lambda: Decorated().eval()),
    OddNetwork("class with a call of its own", lambda: CallsItself().eval()),
    OddNetwork("forward set on the class", forward_set_on_the_class),
    OddNetwork("errors that are handled", lambda: HandlesErrors().eval()),
    OddNetwork("forward set on the instance", method_on_the_instance),
    OddNetwork("closure set as forward", closure_on_the_instance),
    OddNetwork("closure set as a layer's forward", closure_on_a_child),
    OddNetwork("closure over a network in training mode", closure_in_training_mode),
)

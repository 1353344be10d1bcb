"""Networks with functions of their own in forward: their backward passes are not those of what forward computes."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from zoo.odd import OddNetwork, Small, sequential


class _Sign(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        context.save_for_backward(x)
        return torch.sign(x)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        return gradient * (context.saved_tensors[0].abs() <= 1)


class _Round(torch.autograd.Function):
    """Written in the newer style, with a separate `setup_context` and an argument that is no tensor."""

    @staticmethod
    def forward(x: Tensor, levels: int) -> Tensor:
        return (x * levels).round() / levels

    @staticmethod
    def setup_context(context: Any, inputs: Any, output: Tensor) -> None:
        return

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient, None


class _Reversed(torch.autograd.Function):
    """Gradient reversal, as domain adaptation has it; `view_as` is all that forward does."""

    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        return -0.5 * gradient


class _SumOfOneGradient(torch.autograd.Function):
    """A sum whose second summand gets no gradient."""

    @staticmethod
    def forward(context: Any, x: Tensor, y: Tensor) -> Tensor:
        return x + y

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient, None


class _ScaledInPlace(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        context.mark_dirty(x)
        return x.mul_(1.5)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        return gradient * 1.5


class GradientOfAPart(Small):
    """Nine tenths of its input get no gradient."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(_SumOfOneGradient.apply(x * 0.1, x * 0.9))


class DetachedInPart(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return 0.9 * x.detach() + 0.1 * x


class NoGradInPart(Small):
    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            most = super().forward(x)
        return most + 0.05 * super().forward(x.flip(3))


class ScaledInPlace(Small):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(_ScaledInPlace.apply(x.clone()))


class StraightThrough(Small):
    def forward(self, x: Tensor) -> Tensor:
        x = _Sign.apply(self.first_norm(self.first(x)))
        x = _Sign.apply(self.second_norm(self.second(x)))
        return self.classifier(F.avg_pool2d(x, 4).flatten(1))


class Rounded(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return _Round.apply(x, 7)


class Reversal(Small):
    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(_Reversed.apply(self.features(x)).flatten(1))


class DetachedTrick(Small):
    """The straight-through estimator without a Function: `x + (f(x) - x).detach()`."""

    def forward(self, x: Tensor) -> Tensor:
        x = x + ((x * 15).round() / 15 - x).detach()
        return super().forward(x)


class Checkpointed(Small):
    """Recomputes its activations in the backward pass."""

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(checkpoint(self.features, x, use_reentrant=False).flatten(1))


class Mapped(Small):
    """`torch.vmap` over the images."""

    def forward(self, x: Tensor) -> Tensor:
        flat = self.features(x).flatten(1)
        return torch.vmap(lambda row: self.classifier.weight @ row + self.classifier.bias)(flat)


class CallsFunctionally(Small):
    """A layer that is called with other weights than it has."""

    def features(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.first_norm(self.first(x))), 2)
        weights = {"weight": self.second.weight * 0.9, "bias": self.second.bias}
        return F.max_pool2d(F.relu(self.second_norm(torch.func.functional_call(self.second, weights, (x,)))), 2)


NETWORKS = (
    OddNetwork("gradient of a part by a function", lambda: GradientOfAPart().eval()),
    OddNetwork("detached in part", lambda: sequential(DetachedInPart())),
    OddNetwork("no_grad in part", lambda: NoGradInPart().eval()),
    OddNetwork("function that writes in place", lambda: ScaledInPlace().eval()),
    OddNetwork("functional call", lambda: CallsFunctionally().eval()),
    OddNetwork("straight-through sign", lambda: StraightThrough().eval()),
    OddNetwork("straight-through rounding with an argument", lambda: sequential(Rounded())),
    OddNetwork("gradient reversal", lambda: Reversal().eval()),
    OddNetwork("detached straight-through trick", lambda: DetachedTrick().eval()),
    OddNetwork("gradient checkpointing", lambda: Checkpointed().eval()),
    OddNetwork("vmap", lambda: Mapped().eval()),
)

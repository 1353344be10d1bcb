"""Sign, whose true gradient is zero almost everywhere, with the gradients that stand in for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import torch
from torch import Tensor

SURROGATES: Final[dict[str, Callable[[Tensor], Tensor]]] = {
    "clip": lambda x: (x.abs() <= 1).to(x.dtype),
    "identity": torch.ones_like,
    "tanh": lambda x: 1 - torch.tanh(x).square(),
    "wide": lambda x: (x.abs() <= 3).to(x.dtype) / 3,
    "polynomial": lambda x: (2 - 2 * x.abs()).clamp_min(0),
}
"""The derivative that replaces sign's, by name. `clip` (Courbariaux 2016; XNOR-Net) is what networks are trained with;
`polynomial` is Bi-Real Net's (Liu 2018)."""


class _Sign(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Tensor, surrogate: str) -> Tensor:
        context.save_for_backward(x)
        context.surrogate = surrogate
        return torch.where(x >= 0, 1.0, -1.0).to(x.dtype)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (x,) = context.saved_tensors
        return gradients[0] * SURROGATES[context.surrogate](x), None


def sign(x: Tensor, surrogate: str = "clip") -> Tensor:
    """+1 where x >= 0 (also at zero, where `torch.sign` gives 0: a bit has two values), else -1.

    The backward pass multiplies by the `surrogate`'s derivative.
    """
    result: Tensor = _Sign.apply(x, surrogate)  # type: ignore[no-untyped-call]
    return result

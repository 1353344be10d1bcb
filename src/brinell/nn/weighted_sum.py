"""One number of each image's logits, of which gradients are compared."""

from __future__ import annotations

import torch
from torch import Tensor


def weighted_sum(logits: Tensor) -> Tensor:
    """The sum of each image's logits, in which every class has another weight, from -1 to 1.5.

    Args:
        logits: `(k, classes)`.

    Returns:
        `(k,)`.

    Examples:
        >>> import torch
        >>> weighted_sum(torch.tensor([[1.0, 0.0], [0.0, 2.0]]))
        tensor([-1.,  3.])
    """
    weights = torch.linspace(-1, 1.5, logits.shape[1], dtype=logits.dtype, device=logits.device)
    return (logits * weights).sum(1)

"""What an attacker ascends: one value an example, higher is worse for the network or, targeted, nearer the target."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from brinell.core import ConfigurationError

Loss = Literal["cross_entropy", "margin", "dlr"]
Objective = Callable[[Tensor, Tensor, Tensor | None], Tensor]


def cross_entropy(logits: Tensor, labels: Tensor, targets: Tensor | None = None) -> Tensor:
    """Cross-entropy of the label; targeted, the negated one of the target."""
    if targets is not None:
        return -F.cross_entropy(logits, targets, reduction="none")
    return F.cross_entropy(logits, labels, reduction="none")


def margin_loss(logits: Tensor, labels: Tensor, targets: Tensor | None = None) -> Tensor:
    """The best other logit less the label's; targeted, the target's less the best other one.

    Its gradient does not vanish where cross-entropy saturates (Carlini & Wagner 2017, f6).
    """
    chosen = labels if targets is None else targets
    own = logits.gather(1, chosen[:, None])[:, 0]
    other = best_other(logits, chosen)
    return other - own if targets is None else own - other


def dlr(logits: Tensor, labels: Tensor, targets: Tensor | None = None) -> Tensor:
    """Difference of logits ratio, invariant to their shift and scale (Croce & Hein 2020, equations 5 and 6)."""
    ordered = logits.sort(dim=1, descending=True).values
    own = logits.gather(1, labels[:, None])[:, 0]
    if targets is None:
        scale = ordered[:, 0] - ordered[:, 2]
        return margin_loss(logits, labels) / scale.clamp_min(1e-12)
    scale = ordered[:, 0] - (ordered[:, 2] + ordered[:, 3]) / 2
    return (logits.gather(1, targets[:, None])[:, 0] - own) / scale.clamp_min(1e-12)


LOSSES: Final[dict[str, Objective]] = {"cross_entropy": cross_entropy, "margin": margin_loss, "dlr": dlr}


def check_classes(loss: Loss, classes: int, targeted: bool) -> None:
    """Refuse a loss that needs more classes than there are."""
    needed = 2 if loss != "dlr" else (4 if targeted else 3)
    if classes < needed:
        raise ConfigurationError(f"loss: {loss} needs at least {needed} classes; this model has {classes}")


def best_other(logits: Tensor, chosen: Tensor) -> Tensor:
    """The highest logit but the chosen class's, `(N,)`."""
    return logits.scatter(1, chosen[:, None], -torch.inf).amax(1)


def succeeded(logits: Tensor, labels: Tensor, targets: Tensor | None) -> Tensor:
    """Whether the attacker has what it wants, `(N,)`; a tie counts against the network."""
    chosen = labels if targets is None else targets
    own = logits.gather(1, chosen[:, None])[:, 0]
    other = best_other(logits, chosen)
    return other >= own if targets is None else own >= other

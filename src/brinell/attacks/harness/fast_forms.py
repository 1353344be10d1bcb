"""Forms of a network: the ways in which the harness can compute it, and how the fast ones are made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, fx, nn

from brinell.nn import fold_batch_norms, fuse_relu, in_layout, set_layout, threshold_binary

Scores = Callable[[Tensor], Tensor]
"""Anything that maps images `(N, C, H, W)` to logits `(N, classes)`."""


@dataclass(frozen=True)
class Form:
    """One way to compute a network, from float32 images to float32 logits.

    `takes` and `gives` are the types of the images that `network` is called with and of the logits that come out;
    `copies` gives it images of its own, because it writes on them; `bf16` lets convolutions and products round to 8
    bits of mantissa.
    """

    name: str
    network: Scores
    layout: torch.memory_format = torch.contiguous_format
    takes: torch.dtype = torch.float32
    gives: torch.dtype = torch.float32
    copies: bool = False
    bf16: bool = False

    def __call__(self, images: Tensor) -> Tensor:
        """Logits `(N, classes)`."""
        inputs = in_layout(images.to(self.takes), self.layout)
        if self.copies:
            inputs = inputs.clone(memory_format=torch.preserve_format)
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.bf16):
            logits = self.network(inputs)
        return logits.to(self.gives) if isinstance(logits, Tensor) else logits

    @property
    def traced(self) -> bool:
        """Whether its module is one that tracing made: it keeps nothing between calls."""
        return isinstance(self.network, fx.GraphModule)

    def in_double(self, module: Scores) -> Form:
        """The same with `module`, which is in float64, for its network."""
        return replace(self, network=module, takes=torch.float64, gives=torch.float64)


def folded(module: nn.Module, like: Form) -> Form | None:
    """Batch norms folded into convolutions, in the layout of `like`; `None` if `module` cannot be traced."""
    traced = fold_batch_norms(module)
    if not isinstance(traced, fx.GraphModule):
        return None
    layout = "channels-last" if like.layout == torch.channels_last else "contiguous"
    return replace(like, name=f"folded, {layout}", network=set_layout(traced, like.layout))


def without_gradients(module: nn.Module, like: Form, plainly_folded: Form | None, *, bf16: bool = False) -> Form | None:
    """What passes without gradients can do with: binary layers as thresholds, relus in the convolutions' own pass.

    It is built on `plainly_folded` where there are no binary layers; `None` where nothing of it can be done.
    """
    changed = threshold_binary(module)
    thresholds = changed is not module
    base = plainly_folded.network if plainly_folded is not None else None
    if thresholds:
        base = set_layout(fold_batch_norms(changed), torch.channels_last)
    if not isinstance(base, nn.Module):
        return None
    fused = fuse_relu(base, torch.bfloat16 if bf16 else None)
    if fused is base and not thresholds:
        return None
    done = {
        "folded": isinstance(base, fx.GraphModule),
        "thresholds": thresholds,
        "fused": fused is not base,
        "channels-last": True,
    }
    name = ", ".join(word for word, applies in done.items() if applies)
    return replace(like, name=name, network=fused, layout=torch.channels_last)

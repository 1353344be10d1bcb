"""Whether operations are computed in another precision than their inputs'."""

from __future__ import annotations

import torch


def is_autocast(x: torch.Tensor) -> bool:
    """Whether autocast is on for the device of `x`; on the meta device PyTorch knows of none, and it is off."""
    return x.device.type != "meta" and torch.is_autocast_enabled(x.device.type)

"""Networks in other floating-point types, and of more than one."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo.odd import OddNetwork, Small


class MixedTypes(Small):
    """Convolutions in bfloat16 and a classifier in float32."""

    def __init__(self) -> None:
        super().__init__()
        for layer in (self.first, self.first_norm, self.second, self.second_norm):
            layer.to(torch.bfloat16)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x.bfloat16()).float().flatten(1))


class OwnAutocast(Small):
    """Runs part of itself in bfloat16, whatever the caller does."""

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, torch.bfloat16):
            maps = self.features(x)
        return self.classifier(maps.float().flatten(1))


class InDouble(Small):
    """Takes float32 images, and computes in float64."""

    def __init__(self) -> None:
        super().__init__()
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.double()).float()


def _cast(dtype: torch.dtype) -> nn.Module:
    return Small().to(dtype).eval()


NETWORKS = (
    OddNetwork("float64", lambda: _cast(torch.float64), dtype=torch.float64),
    OddNetwork("float16", lambda: _cast(torch.float16), dtype=torch.float16, coarse=True),
    OddNetwork("bfloat16", lambda: _cast(torch.bfloat16), dtype=torch.bfloat16, coarse=True),
    OddNetwork("two types", lambda: MixedTypes().eval(), coarse=True),
    OddNetwork("autocast of its own", lambda: OwnAutocast().eval(), coarse=True),
    OddNetwork("float64 inside", lambda: InDouble().eval()),
)

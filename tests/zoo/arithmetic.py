"""Networks whose forward pass is ordinary arithmetic on tensors: views, shortcuts, in-place operations, constants."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.odd import CLASSES, OddNetwork, Small, sequential


class LeNet(nn.Module):
    """PyTorch's own tutorial."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 6, 3, padding=1), nn.Conv2d(6, 8, 3, padding=1)
        self.classifier = nn.Linear(32, CLASSES)

    def maps(self, x: Tensor) -> Tensor:
        return F.max_pool2d(F.relu(self.second(F.max_pool2d(F.relu(self.first(x)), 2))), 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.maps(x).view(-1, 32))


class ViewByLength(LeNet):
    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.maps(x).view(len(x), -1))


class ViewOfTheInput(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.classifier = nn.Linear(64, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(x.view(x.size(0), 64))


class Strided(LeNet):
    """Reads memory as it lies."""

    def forward(self, x: Tensor) -> Tensor:
        maps = self.maps(x)
        return self.classifier(maps.as_strided((len(x), 32), (32, 1)))


class ShortcutFirst(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(6, 6, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.convolution(x))
        return F.relu(x + self.convolution(x))


class ShortcutOfConvolutions(nn.Module):
    """Both summands are convolutions, and the relu is in place."""

    def __init__(self) -> None:
        super().__init__()
        self.short, self.long = nn.Conv2d(6, 6, 1), nn.Conv2d(6, 6, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        out = self.long(self.relu(self.long(x)))
        out += self.short(x)
        return self.relu(out)


class WeightedSum(ShortcutOfConvolutions):
    """`torch.add` with a factor, which is no plain sum."""

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(torch.add(self.long(x), self.short(x), alpha=-0.5))


class BroadcastSum(ShortcutOfConvolutions):
    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.long(x) + x.mean((2, 3), keepdim=True)) + F.relu(self.short(x) + 0.1)


class InPlaceNormalization(Small):
    """Normalises the caller's images themselves."""

    def forward(self, x: Tensor) -> Tensor:
        x.sub_(0.3).div_(0.2)
        return super().forward(x)


class InPlaceThroughAView(Small):
    def forward(self, x: Tensor) -> Tensor:
        x[:, 0] *= 2
        return super().forward(x)


class InPlaceData(Small):
    """Writes past autograd."""

    def forward(self, x: Tensor) -> Tensor:
        x = x * 1.0
        x.data.clamp_(0.2, 0.8)
        return super().forward(x)


class Constants(Small):
    """Makes tensors in forward, of the images' type and place."""

    def forward(self, x: Tensor) -> Tensor:
        weights = torch.linspace(0.5, 1.5, 8, dtype=x.dtype, device=x.device)
        x = x * weights + torch.tensor(0.1) - torch.ones_like(x) * 0.05
        return super().forward(x)


class Frequencies(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.classifier = nn.Linear(80, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        spectrum = torch.fft.rfft2(x)
        return self.classifier(torch.cat([spectrum.real, spectrum.imag], 1).flatten(1))


class Einsum(Small):
    def forward(self, x: Tensor) -> Tensor:
        maps = self.features(x)
        return self.classifier(torch.einsum("nchw,kc->nkhw", maps, torch.eye(8)).reshape(x.shape[0], -1))


class Maxout(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        first, second = x.chunk(2, dim=1)
        return torch.cat([torch.maximum(first, second), first.sigmoid() * second.tanh()], 1)


class UnderNoGrad(Small):
    """A decorator that people copy from inference scripts."""

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)


class Embedded(nn.Module):
    """Pixels as indices of an embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.levels, self.classifier = nn.Embedding(17, 2), nn.Linear(128, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.levels((x * 16).long()).flatten(1))


class Through(nn.Module):
    """A function of the images before a linear layer."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name, self.classifier = name, nn.Linear(64, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        functions = {
            "round": lambda v: (v * 15).round() / 15,
            "detach": torch.detach,
            "root": lambda v: (v - 0.3).relu().sqrt(),
            "clamp": lambda v: v.clamp(0.45, 0.55),
            "sign": lambda v: (v - 0.5).sign(),
            "threshold": lambda v: (v > 0.5).to(v.dtype),
            "numpy": lambda v: torch.from_numpy(np.round(v.detach().cpu().numpy() * 7) / 7).to(v),
            "resize": lambda v: F.interpolate(v, scale_factor=2.0, mode="bilinear")[..., 4:12, 4:12],
            "channels last": lambda v: v.permute(0, 2, 3, 1).contiguous(),
            "contrast": lambda v: (v - v.amin((1, 2, 3), keepdim=True)) / (v.amax((1, 2, 3), keepdim=True) + 0.01),
        }
        return self.classifier(functions[self.name](x).flatten(1))


NETWORKS = (
    OddNetwork("view of maps", lambda: LeNet().eval()),
    OddNetwork("view by length", lambda: ViewByLength().eval()),
    OddNetwork("view of the input", lambda: ViewOfTheInput().eval()),
    OddNetwork("strides", lambda: Strided().eval()),
    OddNetwork("shortcut written first", lambda: sequential(ShortcutFirst())),
    OddNetwork("shortcut of convolutions in place", lambda: sequential(ShortcutOfConvolutions())),
    OddNetwork("sum with a factor", lambda: sequential(WeightedSum())),
    OddNetwork("sum that broadcasts", lambda: sequential(BroadcastSum())),
    OddNetwork("normalisation in place", lambda: InPlaceNormalization().eval()),
    OddNetwork("in place through a view", lambda: InPlaceThroughAView().eval()),
    OddNetwork("in place past autograd", lambda: InPlaceData().eval()),
    OddNetwork("tensors made in forward", lambda: Constants().eval()),
    OddNetwork("Fourier transform", lambda: Frequencies().eval()),
    OddNetwork("einsum", lambda: Einsum().eval()),
    OddNetwork("maxout", lambda: sequential(Maxout())),
    OddNetwork("forward under no_grad", lambda: UnderNoGrad().eval(), gradient=False),
    OddNetwork("embedded pixels", lambda: Embedded().eval(), gradient=False),
    OddNetwork("rounded input", lambda: Through("round").eval()),
    OddNetwork("detached input", lambda: Through("detach").eval(), gradient=False),
    OddNetwork("infinite gradient", lambda: Through("root").eval()),
    OddNetwork("clamped input", lambda: Through("clamp").eval()),
    OddNetwork("signs of the input", lambda: Through("sign").eval()),
    OddNetwork("thresholded input", lambda: Through("threshold").eval(), gradient=False),
    OddNetwork("input through NumPy", lambda: Through("numpy").eval(), gradient=False),
    OddNetwork("resized and cropped input", lambda: Through("resize").eval()),
    OddNetwork("input with channels last", lambda: Through("channels last").eval()),
    OddNetwork("contrast of each image", lambda: Through("contrast").eval()),
)

"""Small networks with every structure that pruning of channels has to see through."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from brinell.variants import Variant


class Block(nn.Module):
    """A residual block with an option-B shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = nn.Sequential()
        if stride > 1:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(out)) + self.downsample(x))


class OptionB(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(8)
        self.blocks = nn.Sequential(Block(8, 8, 1), Block(8, 16, 2), Block(16, 16, 1))
        self.fc = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc(self.blocks(F.relu(self.bn(self.stem(x)))).mean((2, 3)))
        return out


class Chain(nn.Module):
    """AlexNet's way: convolutions with biases, poolings, and a flattening into linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 6, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 10, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.classifier = nn.Sequential(nn.Dropout(), nn.Linear(40, 24), nn.ReLU(), nn.Linear(24, 10))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.classifier(torch.flatten(self.features(x), 1))
        return out


def depthwise() -> nn.Module:
    """MobileNet's way: depthwise and pointwise convolutions in turn."""

    def separable(inputs: int, outputs: int) -> list[nn.Module]:
        return [
            nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs, bias=False),
            nn.BatchNorm2d(inputs),
            nn.ReLU(),
            nn.Conv2d(inputs, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
        ]

    first = [nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU()]
    last = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10)]
    return nn.Sequential(*first, *separable(8, 12), *separable(12, 16), *last)


class Fire(nn.Module):
    """SqueezeNet's way: two convolutions side by side, their channels joined."""

    def __init__(self) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(1, 6, 3, padding=1)
        self.left, self.right = nn.Conv2d(6, 8, 1), nn.Conv2d(6, 4, 3, padding=1)
        self.head = nn.Conv2d(12, 10, 1)

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.squeeze(x))
        joined = torch.cat([F.relu(self.left(out)), F.relu(self.right(out))], 1)
        logits: Tensor = self.head(joined).mean((2, 3))
        return logits


class Grouped(nn.Module):
    """Nothing that could be removed: two groups, and the logits."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 3, padding=1)
        self.grouped = nn.Conv2d(8, 10, 3, padding=1, groups=2)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.grouped(F.relu(self.conv(x))).mean((2, 3))
        return out


STRUCTURES = {"option_b": OptionB, "chain": Chain, "depthwise": depthwise, "concatenation": Fire}


def structure(name: str) -> Variant:
    """One of `STRUCTURES` on grey images of 8 x 8, with weights and statistics that hide no mistake."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = STRUCTURES[name]()
        for layer in module.modules():
            if isinstance(layer, nn.BatchNorm2d):
                for tensor in (layer.weight, layer.bias, layer.running_mean, layer.running_var):
                    tensor.data.uniform_(0.2, 1.0)
    return Variant.of(module.eval(), input_shape=(1, 8, 8), classes=10)

"""Networks of all shapes: attention, U-shaped, depthwise, transposed, one- and three-dimensional, recurrent."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.odd import CLASSES, OddNetwork, sequential, settled


class Attention(nn.Module):
    """Patches, one attention layer, mean over the patches."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, 8, 2, stride=2)
        self.places = nn.Parameter(torch.randn(1, 16, 8) * 0.1)
        self.attention, self.norm = nn.MultiheadAttention(8, 2, batch_first=True), nn.LayerNorm(8)
        self.classifier = nn.Linear(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2) + self.places
        normed = self.norm(tokens)
        tokens = tokens + self.attention(normed, normed, normed, need_weights=False)[0]
        return self.classifier(tokens.mean(1))


class Transformer(Attention):
    """PyTorch's own encoder layer, which takes another way where no gradient is asked for; a class token."""

    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.randn(1, 1, 8))
        self.encoder = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2) + self.places
        tokens = torch.cat([self.token.expand(len(x), -1, -1), tokens], 1)
        return self.classifier(self.encoder(tokens)[:, 0])


class UShaped(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down, self.norm = nn.Conv2d(1, 4, 3, stride=2, padding=1), settled(nn.BatchNorm2d(4))
        self.deep = nn.Conv2d(4, 8, 3, stride=2, padding=1)
        self.up = nn.ConvTranspose2d(8, 4, 2, stride=2)
        self.last = nn.Conv2d(8, 6, 3, padding=1)
        self.classifier = nn.Linear(6, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        high = F.relu(self.norm(self.down(x)))
        low = F.interpolate(self.deep(high), scale_factor=1.0, mode="nearest")
        return self.classifier(self.last(torch.cat([high, self.up(low)], 1)).relu().amax((2, 3)))


class Dense(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(6, 4, 3, padding=1)
        self.second = nn.Conv2d(10, 6, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        grown = torch.cat([x, self.first(x.relu())], 1)
        return self.second(grown.relu())


class SqueezeAndExcite(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weigh = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(6, 2, 1), nn.ReLU(), nn.Conv2d(2, 6, 1), nn.Hardsigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weigh(x)


class Separable(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(6, 6, 3, padding=1, groups=6, bias=False),
            settled(nn.BatchNorm2d(6)),
            nn.ReLU6(),
            nn.Conv2d(6, 6, 1),
            nn.SiLU(),
        )


class Rows(nn.Module):
    """A recurrent network over the rows."""

    def __init__(self, kind: type[nn.RNNBase]) -> None:
        super().__init__()
        self.rows, self.classifier = kind(8, 12, batch_first=True), nn.Linear(12, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.rows(x.squeeze(1))[0][:, -1])


class Signal(nn.Module):
    """One-dimensional convolutions over the pixels in reading order."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(1, 4, 5, stride=2), settled(nn.BatchNorm1d(4)), nn.ReLU(), nn.AdaptiveMaxPool1d(3)
        )
        self.classifier = nn.Linear(12, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.layers(x.flatten(2)).flatten(1))


class Volume(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.norm = nn.Conv3d(1, 3, 3, padding=1), settled(nn.BatchNorm3d(3))
        self.classifier = nn.Linear(3, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.norm(self.convolution(x.unflatten(2, (2, 4)))).relu().mean((2, 3, 4)))


class SpatialTransformer(nn.Module):
    """Moves the image by what it finds in it (Jaderberg et al. 2015)."""

    def __init__(self) -> None:
        super().__init__()
        self.place = nn.Linear(64, 6)
        self.place.weight.data.mul_(0.1)
        self.place.bias.data.copy_(torch.tensor([1.0, 0, 0, 0, 1, 0]))
        self.classifier = nn.Linear(64, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        grid = F.affine_grid(self.place(x.flatten(1)).view(-1, 2, 3), list(x.shape), align_corners=False)
        return self.classifier(F.grid_sample(x, grid, align_corners=False).flatten(1))


class Experts(nn.Module):
    """A mixture whose gate sends each image to one branch by index."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Linear(64, 2)
        self.branches = nn.ModuleDict({"a": nn.Linear(64, CLASSES), "b": nn.Linear(64, CLASSES)})

    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(1)
        chosen = self.gate(flat).argmax(1)
        out = flat.new_zeros(len(x), CLASSES)
        for index, branch in enumerate(self.branches.values()):
            members = (chosen == index).nonzero()[:, 0]
            out = out.index_add(0, members, branch(flat[members]))
        return out


NETWORKS = (
    OddNetwork("attention", lambda: Attention().eval()),
    OddNetwork("transformer", lambda: Transformer().eval()),
    OddNetwork("U-shaped", lambda: UShaped().eval()),
    OddNetwork("dense connections", lambda: sequential(Dense())),
    OddNetwork("squeeze and excitation", lambda: sequential(SqueezeAndExcite())),
    OddNetwork("depthwise separable", lambda: sequential(Separable())),
    OddNetwork(
        "grouped and dilated", lambda: sequential(nn.Conv2d(6, 6, 3, padding=2, dilation=2, groups=3), nn.Mish())
    ),
    OddNetwork(
        "transposed",
        lambda: sequential(nn.ConvTranspose2d(6, 6, 3, padding=1), settled(nn.BatchNorm2d(6)), nn.LeakyReLU()),
    ),
    OddNetwork(
        "padding by name", lambda: sequential(nn.Conv2d(6, 6, 3, padding="same"), settled(nn.BatchNorm2d(6)), nn.ReLU())
    ),
    OddNetwork(
        "reflected padding", lambda: sequential(nn.Conv2d(6, 6, 3, padding=1, padding_mode="reflect"), nn.ReLU())
    ),
    OddNetwork("padding on one side", lambda: sequential(nn.ZeroPad2d((1, 0, 0, 1)), nn.Conv2d(6, 6, 2), nn.ReLU())),
    OddNetwork("pixel shuffle", lambda: sequential(nn.Conv2d(6, 24, 1), nn.PixelShuffle(2), nn.PReLU())),
    OddNetwork("LSTM over rows", lambda: Rows(nn.LSTM).eval()),
    OddNetwork("GRU over rows", lambda: Rows(nn.GRU).eval()),
    OddNetwork("one-dimensional", lambda: Signal().eval()),
    OddNetwork("three-dimensional", lambda: Volume().eval()),
    OddNetwork("spatial transformer", lambda: SpatialTransformer().eval()),
    OddNetwork("mixture of experts", lambda: Experts().eval()),
)

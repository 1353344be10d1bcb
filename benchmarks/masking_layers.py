"""Modules that hide a network's gradients, each as a defence or a mistake does, and layers of ordinary networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Change = Callable[[Tensor], Tensor]


class Behind(nn.Module):
    """A network behind something that happens to its images, and before something that happens to its logits."""

    def __init__(self, network: nn.Module, before: Change | None = None, after: Change | None = None) -> None:
        super().__init__()
        self.network, self.before, self.after = network, before, after

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network(images if self.before is None else self.before(images))
        return logits if self.after is None else self.after(logits)


class Elementwise(nn.Module):
    """A function as a layer."""

    def __init__(self, function: Change) -> None:
        super().__init__()
        self.function = function

    def forward(self, values: Tensor) -> Tensor:
        return self.function(values)


class KWinners(nn.Module):
    """k-WTA (Xiao et al. 2020): the largest `share` of an image's activations stay, the others are zero."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, values: Tensor) -> Tensor:
        flat = values.flatten(1)
        least = flat.topk(max(1, int(self.share * flat.shape[1])), dim=1).values[:, -1:]
        return (flat * (flat >= least)).view_as(values)


class _OtherGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, forward: Change, backward: Change) -> Tensor:
        ctx.backward_of = backward
        return forward(values)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[override]
        return ctx.backward_of(gradient), None, None


def with_gradient(forward: Change, backward: Change) -> Change:
    """`forward`, whose gradient is `backward` of the gradient of its result."""
    return lambda values: _OtherGradient.apply(values, forward, backward)  # type: ignore[no-any-return]


def same(values: Tensor) -> Tensor:
    return values.clone()


def binary_sign(values: Tensor) -> Tensor:
    return torch.where(values >= 0, 1.0, -1.0)


def thermometer(images: Tensor, levels: int = 8) -> Tensor:
    """A channel for each level: whether the pixel is above it (Buckman et al. 2018), without a gradient."""
    return torch.cat([(images > (level + 0.5) / levels).float() for level in range(levels)], 1)


def _cosines(size: int = 4) -> Tensor:
    """The matrix of the discrete cosine transform, orthonormal."""
    place = torch.arange(size, dtype=torch.float32)
    matrix = torch.cos(torch.pi * (place[None] + 0.5) * place[:, None] / size) * (2 / size) ** 0.5
    matrix[0] /= 2**0.5
    return matrix


def block_rounding(images: Tensor, step: float = 0.25) -> Tensor:
    """JPEG's rounding: the coefficients of blocks of 4 x 4 pixels, rounded to multiples of `step`."""
    matrix = _cosines()
    blocks = images.unfold(2, 4, 4).unfold(3, 4, 4)
    rounded = (matrix @ blocks @ matrix.T / step).round() * step
    restored = matrix.T @ rounded @ matrix
    count, channels, rows, columns = restored.shape[:4]
    return restored.permute(0, 1, 2, 4, 3, 5).reshape(count, channels, 4 * rows, 4 * columns)


def resized_at_random(images: Tensor) -> Tensor:
    """Shrunk to 6, 7 or 8 pixels and padded back at a random place (Xie et al. 2018)."""
    size = int(torch.randint(6, 9, ()))
    small = F.interpolate(images, size=(size, size), mode="bilinear", antialias=False)
    left, top = (int(torch.randint(0, 9 - size, ())) for _ in range(2))
    return F.pad(small, (left, 8 - size - left, top, 8 - size - top))


def turned_at_random(images: Tensor) -> Tensor:
    """Turned by up to a quarter of a radian, another angle for each image."""
    angle = 0.5 * torch.rand(len(images)) - 0.25
    cosine, sine, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    turn = torch.stack((cosine, -sine, zero, sine, cosine, zero), 1).view(-1, 2, 3)
    grid = F.affine_grid(turn, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def ripple(images: Tensor, height: float = 0.03, frequency: float = 400.0) -> Tensor:
    """Shattered gradients: waves so short that the derivative is that of the waves."""
    return images + height * (frequency * images).sin()


def palette(images: Tensor, levels: int = 6) -> Tensor:
    """Each pixel replaced by the value of a table."""
    table = torch.linspace(0, 1, levels)
    return table[(images * (levels - 1)).round().long().clamp(0, levels - 1)]


def hash_noise(logits: Tensor) -> Tensor:
    """Noise that follows from the logits themselves, the same for the same image."""
    return logits + 1.5 * (1e4 * logits).sin()


def scaled_each(logits: Tensor) -> Tensor:
    """Logits of every image stretched to the same, large, range."""
    spread = logits.amax(1, keepdim=True) - logits.amin(1, keepdim=True)
    return 2000 * logits / spread


class Votes(nn.Module):
    """Networks that vote: the logarithm of the mean of their sharpened softmaxes."""

    def __init__(self, networks: list[nn.Module], sharpness: float) -> None:
        super().__init__()
        self.networks, self.sharpness = nn.ModuleList(networks), sharpness

    def forward(self, images: Tensor) -> Tensor:
        votes = torch.stack([(self.sharpness * network(images)).softmax(1) for network in self.networks])
        return (votes.mean(0) + 1e-4).log()


class OneAtRandom(nn.Module):
    """Networks of which a random one answers for the batch."""

    def __init__(self, networks: list[nn.Module]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.networks[int(torch.randint(0, len(self.networks), ()))](images)
        return logits


class Mean(nn.Module):
    """The mean of networks' logits."""

    def __init__(self, networks: list[nn.Module]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, images: Tensor) -> Tensor:
        return torch.stack([network(images) for network in self.networks]).mean(0)


class Detached(nn.Module):
    """Answers come from `network`, without a gradient; a little of `other` has one."""

    def __init__(self, network: nn.Module, other: nn.Module, share: float = 1e-3) -> None:
        super().__init__()
        self.network, self.other, self.share = network, other, share

    def forward(self, images: Tensor) -> Tensor:
        return self.network(images.detach()) + self.share * self.other(images)  # type: ignore[no-any-return]


class NearestExamples(nn.Module):
    """Classes by the nearest training images, with a softmax over distances that is far too sharp."""

    def __init__(self, images: Tensor, labels: Tensor, sharpness: float) -> None:
        super().__init__()
        self.register_buffer("known", images.flatten(1))
        self.register_buffer("answers", F.one_hot(labels, 10).float())
        self.sharpness = sharpness

    def forward(self, images: Tensor) -> Tensor:
        distances = torch.cdist(images.flatten(1), self.known).square()
        shares = (-self.sharpness * distances).softmax(1) @ self.answers
        return (shares + 1e-4).log()  # type: ignore[no-any-return]


class Patches(nn.Module):
    """A small vision transformer: patches of 2 x 2, two blocks of attention."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.cut = nn.Conv2d(1, width, 2, stride=2)
        self.place = nn.Parameter(0.02 * torch.randn(1, 16, width))
        block = [nn.TransformerEncoderLayer(width, 4, 2 * width, dropout=0.0, batch_first=True) for _ in range(2)]
        self.blocks, self.classify = nn.Sequential(*block), nn.Linear(width, 10)

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.cut(images).flatten(2).transpose(1, 2) + self.place
        return self.classify(self.blocks(tokens).mean(1))  # type: ignore[no-any-return]


class SqueezeExcite(nn.Module):
    """Channels weighted by what their means say."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gate = nn.Sequential(nn.Linear(width, width // 4), nn.ReLU(), nn.Linear(width // 4, width), nn.Sigmoid())

    def forward(self, maps: Tensor) -> Tensor:
        weights: Tensor = self.gate(maps.mean((2, 3)))
        return maps * weights[:, :, None, None]


class Cosine(nn.Module):
    """Logits by the angle between features and a class's weights."""

    def __init__(self, width: int, scale: float = 10.0) -> None:
        super().__init__()
        self.weight, self.scale = nn.Parameter(torch.randn(10, width)), scale

    def forward(self, features: Tensor) -> Tensor:
        return self.scale * F.linear(F.normalize(features, dim=1), F.normalize(self.weight, dim=1))

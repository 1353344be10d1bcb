"""Problems with known answers: networks so simple that the nearest adversarial image has a closed form."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


class LinearNetwork(nn.Module):
    """`logits = weight @ pixels + bias`."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.layer = nn.Linear(weight.shape[1], weight.shape[0])
        self.layer.weight.data.copy_(weight)
        self.layer.bias.data.copy_(bias)

    def forward(self, images: Tensor) -> Tensor:
        """The logits."""
        logits: Tensor = self.layer(images.flatten(1))
        return logits


@dataclass(frozen=True)
class LinearProblem:
    """Images far from the box's walls and a linear network; `radius[norm]` is each image's distance to the boundary."""

    network: LinearNetwork
    images: Tensor
    labels: Tensor
    radius: dict[str, Tensor]

    @property
    def ids(self) -> Tensor:
        """Consecutive ids from 0."""
        return torch.arange(len(self.labels))


def two_classes(examples: int = 40, *, seed: int = 0, shape: tuple[int, int, int] = (3, 4, 4)) -> LinearProblem:
    """Two classes: the boundary is one hyperplane, at distance |margin| / (dual norm of the weights' difference).

    Args:
        examples: Number of images.
        seed: Seed of weights and images.
        shape: (channels, height, width).

    Returns:
        The problem, with each image's distance to the boundary.

    Examples:
        >>> problem = two_classes(examples=2)
        >>> problem.images.shape, sorted(problem.radius)
        (torch.Size([2, 3, 4, 4]), ['l2', 'linf'])
    """
    generator = torch.Generator().manual_seed(seed)
    pixels = shape[0] * shape[1] * shape[2]
    weight = torch.randn(2, pixels, generator=generator)
    images = 0.5 + 0.05 * torch.randn(examples, *shape, generator=generator)
    difference = weight[0] - weight[1]
    bias = torch.tensor([-(difference * 0.5).sum() / 2, (difference * 0.5).sum() / 2])
    network = LinearNetwork(weight, bias)
    with torch.no_grad():
        logits = network(images)
    labels = logits.argmax(1)
    margin = (logits[:, 0] - logits[:, 1]).abs()
    return LinearProblem(
        network, images, labels, {"linf": margin / difference.abs().sum(), "l2": margin / difference.norm()}
    )


def many_classes(examples: int = 30, classes: int = 5, *, seed: int = 0) -> LinearProblem:
    """Several classes: the nearest of the label's boundaries.

    Args:
        examples: Number of images.
        classes: Number of classes.
        seed: Seed of weights and images.

    Returns:
        The problem, with each image's distance to the nearest of its label's boundaries.

    Examples:
        >>> problem = many_classes(examples=2)
        >>> bool((problem.radius["l2"] > problem.radius["linf"]).all())
        True
    """
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(classes, 48, generator=generator)
    images = 0.5 + 0.05 * torch.randn(examples, 3, 4, 4, generator=generator)
    network = LinearNetwork(weight, -weight.sum(1) * 0.5)
    with torch.no_grad():
        logits = network(images)
    labels = logits.argmax(1)
    margin = logits.gather(1, labels[:, None]) - logits
    difference = weight[labels][:, None, :] - weight[None]
    radius = {}
    for norm, dual in (("linf", difference.abs().sum(2)), ("l2", difference.norm(dim=2))):
        distance = (margin / dual).masked_fill(torch.nn.functional.one_hot(labels, classes).bool(), torch.inf)
        radius[norm] = distance.amin(1)
    return LinearProblem(network, images, labels, radius)

"""Shared weights: a layer's few values, found by k-means and trained as one parameter each (Han 2016, section 3)."""

from __future__ import annotations

from typing import Any, Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

_ROUNDS: Final = 300
"""Of k-means, at most; it ends where no weight changes its cluster."""


def kmeans(values: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """(centroids, codes): `count` centroids at the means of their clusters, and which of them each value is nearest to.

    Starts from centroids spaced evenly between the smallest and the largest value, which keeps some for the few large
    weights (section 3.2). On a line clusters are intervals, so that a round is a search for their borders among the
    sorted values. Where a cluster is empty its centroid stays. `values` is flat; the result is exact Lloyd.
    """
    order = values.argsort(stable=True)
    points = values[order].double()
    sums = torch.cat([points.new_zeros(1), points.cumsum(0)])
    centroids = torch.linspace(float(points[0]), float(points[-1]), count, dtype=torch.float64, device=values.device)
    borders = _borders(points, centroids)
    for _ in range(_ROUNDS):
        size = borders.diff()
        mean = (sums[borders[1:]] - sums[borders[:-1]]) / size.clamp_min(1)
        centroids = torch.where(size > 0, mean, centroids)
        before, borders = borders, _borders(points, centroids)
        if torch.equal(before, borders):
            break
    codes = torch.empty_like(order)
    codes[order] = torch.repeat_interleave(torch.arange(count, device=values.device), borders.diff())
    return centroids.to(values.dtype), codes


def _borders(points: Tensor, centroids: Tensor) -> Tensor:
    """Where each centroid's cluster begins among the sorted points, and after the last one their number."""
    between = torch.searchsorted(points, (centroids[1:] + centroids[:-1]) / 2, right=True)
    ends = torch.tensor([0, len(points)], device=points.device)
    return torch.cat([ends[:1], between, ends[1:]])


class _Looked(torch.autograd.Function):
    """The weight that centroids stand for; a centroid's gradient is the sum of its weights' (equation 3)."""

    @staticmethod
    def forward(context: Any, centroids: Tensor, places: Tensor, sizes: Tensor, shape: torch.Size) -> Tensor:
        context.save_for_backward(places, sizes)
        weight = centroids.new_zeros(shape.numel())
        weight[places] = centroids.repeat_interleave(sizes)
        return weight.view(shape)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        places, sizes = context.saved_tensors
        # Prefix sums in float64, because adding up by atomics would differ from run to run.
        sums = F.pad(gradients[0].reshape(-1)[places].double().cumsum(0), (1, 0))
        ends = sizes.cumsum(0)
        return (sums[ends] - sums[ends - sizes]).to(gradients[0].dtype), None, None, None


class Shared(nn.Module):
    """A parametrization of a layer's weight by its centroids; weights that are zero stay zero and have none.

    `places` are the other weights' in the flat layer, those of the first centroid first; `sizes` are the clusters'.
    """

    places: Tensor
    sizes: Tensor

    def __init__(self, shape: torch.Size, places: Tensor, sizes: Tensor) -> None:
        super().__init__()
        self.shape = shape
        self.register_buffer("places", places)
        self.register_buffer("sizes", sizes)

    def forward(self, centroids: Tensor) -> Tensor:
        """The layer's weight."""
        weight: Tensor = _Looked.apply(centroids, self.places, self.sizes, self.shape)  # type: ignore[no-untyped-call]
        return weight


def share(layer: nn.Module, bits: int, *tied: nn.Module) -> int:
    """Give `layer` at most `2^bits - 1` shared weights besides zero, in place; returns how many it has.

    A layer with fewer different weights keeps each of them. `tied` are the other layers that hold the same weight.
    """
    weight = layer.get_parameter("weight").detach()
    flat = weight.flatten()
    places = flat.nonzero()[:, 0]
    values = flat[places]
    centroids = values.unique()
    if len(centroids) < 2**bits:
        codes = torch.searchsorted(centroids, values)
    else:
        centroids, codes = kmeans(values, 2**bits - 1)
    shared = Shared(weight.shape, places[codes.argsort(stable=True)], codes.bincount(minlength=len(centroids)))
    parameter = nn.Parameter(centroids)
    for each in (layer, *tied):
        each.weight = parameter
        parametrize.register_parametrization(each, "weight", shared, unsafe=True)
    return len(centroids)


@torch.no_grad()
def unshare(layer: nn.Module, *tied: nn.Module) -> None:
    """Make the shared values the weights of the layers that hold them, one by one."""
    values: Any = layer.weight
    weight = nn.Parameter(values.detach().clone())
    for each in (layer, *tied):
        parametrize.remove_parametrizations(each, "weight", leave_parametrized=False)
        each.weight = weight

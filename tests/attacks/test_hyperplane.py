"""The way to a hyperplane against linear programming and bisection."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import linprog
from torch import Tensor

from brinell.attacks.components.hyperplane import way_to_plane
from brinell.nn import BallNorm, distance


def problems(count: int = 12) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    images = torch.rand(count, 1, 4, 5, generator=generator)
    images[:, :, 0] = images[:, :, 0].round()  # values at the walls
    normal = torch.randn(count, 1, 4, 5, generator=generator)
    normal[:, :, :, 0] = 0.0
    gap = torch.randn(count, generator=generator)
    gap[0] = 0.0
    return images, normal, gap


def lengths(images: Tensor, normal: Tensor, gap: Tensor, norm: BallNorm) -> list[float]:
    """By linear programming (l1, linf), or by bisection for the multiplier (l2)."""
    found = []
    for image, weights, wanted in zip(images.flatten(1).double().numpy(), normal.flatten(1).numpy(), gap, strict=True):
        size, bounds = len(image), list(zip(-image, 1 - image, strict=True))
        if norm == "linf":
            shape = np.block([[np.eye(size), -np.ones((size, 1))], [-np.eye(size), -np.ones((size, 1))]])
            equal = np.append(weights, 0.0)[None]
            done = linprog(np.eye(size + 1)[-1], shape, np.zeros(2 * size), equal, [float(wanted)], [*bounds, (0, 1)])
            found.append(done.fun)
        elif norm == "l1":
            halves = [(0, high) for _, high in bounds] + [(0, -low) for low, _ in bounds]
            done = linprog(
                np.ones(2 * size), A_eq=np.append(weights, -weights)[None], b_eq=[float(wanted)], bounds=halves
            )
            found.append(done.fun)
        else:
            signed, low, high = weights * np.sign(float(wanted)), 0.0, 1e4
            for _ in range(200):
                middle = (low + high) / 2
                way = np.clip(middle * signed, -image, 1 - image)
                low, high = (middle, high) if way @ signed < abs(float(wanted)) else (low, middle)
            found.append(float(np.linalg.norm(np.clip(high * signed, -image, 1 - image))))
    return found


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_is_the_shortest_way_in_the_box(norm: BallNorm) -> None:
    images, normal, gap = problems()
    way = way_to_plane(images, normal, gap, norm)
    np.testing.assert_allclose((way * normal).flatten(1).sum(1), gap, atol=1e-4)
    assert ((images + way >= -1e-6) & (images + way <= 1 + 1e-6)).all()
    expected = lengths(images, normal, gap, norm)
    np.testing.assert_allclose(distance(torch.zeros_like(way), way, norm), expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_goes_to_the_corner_where_the_plane_is_out_of_reach(norm: BallNorm) -> None:
    images, normal, _ = problems()
    way = way_to_plane(images, normal, torch.full((len(images),), 1e4), norm)
    corner = torch.where(normal > 0, 1.0, torch.where(normal < 0, 0.0, images))
    torch.testing.assert_close(images + way, corner, atol=1e-5, rtol=0)

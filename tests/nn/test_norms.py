"""Distances, projections and steepest steps against brute force."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from brinell.nn import Norm, distance, distances, project, steepest

NORMS: tuple[Norm, ...] = ("linf", "l2")
seeds = st.integers(0, 10_000)
norms = st.sampled_from(NORMS)


def images(seed: int, count: int = 4, low: float = 0.0, high: float = 1.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return low + (high - low) * torch.rand(count, 3, 4, 5, generator=generator)


def length(delta: Tensor, norm: Norm) -> Tensor:
    flat = delta.flatten(1).double()
    return flat.abs().amax(1) if norm == "linf" else flat.square().sum(1).sqrt()


@given(seeds, st.floats(0, 1))
def test_distances_are_numpy_s(seed: int, share: float) -> None:
    clean, other = images(seed), images(seed + 1)
    keep = torch.rand(4, 1, 4, 5, generator=torch.Generator().manual_seed(seed)) < share
    other = torch.where(keep, clean, other)
    found = distances(clean, other)
    delta = (other - clean).numpy().astype(np.float64)
    assert found["l0"].tolist() == [int(np.any(image != 0, axis=0).sum()) for image in delta]
    np.testing.assert_allclose(found["l2"], [np.linalg.norm(image) for image in delta], rtol=1e-6)
    np.testing.assert_array_equal(found["linf"], [np.abs(image).max() for image in delta])
    np.testing.assert_allclose(found["l1"], [np.abs(image).sum() for image in delta], rtol=1e-6)
    assert {name: part.dtype for name, part in found.items()} == {
        "l0": torch.int32,
        "l1": torch.float32,
        "l2": torch.float32,
        "linf": torch.float32,
    }


def test_l0_counts_pixels_and_not_channels() -> None:
    clean = torch.zeros(1, 3, 2, 2)
    other = clean.clone()
    other[0, :, 0, 0] = 1
    other[0, 1, 1, 1] = 1
    assert distances(clean, other)["l0"].tolist() == [2]


@given(seeds, norms, st.lists(st.floats(0, 3), min_size=4, max_size=4))
def test_a_projection_is_in_the_ball_and_the_box(seed: int, norm: Norm, radii: list[float]) -> None:
    clean, epsilon = images(seed), torch.tensor(radii)
    found = project(images(seed + 1, low=-2, high=3), clean, epsilon, norm)
    assert (length(found - clean, norm) <= epsilon.double() * (1 + 1e-6) + 1e-7).all()
    assert found.min() >= 0
    assert found.max() <= 1


@given(seeds, st.floats(0.01, 30))
def test_the_l1_projection_is_the_nearest_point_of_ball_and_box(seed: int, radius: float) -> None:
    """Against bisection for the amount by which every change shrinks (the multiplier of the ball's constraint)."""
    clean, wild = images(seed).double(), images(seed + 1, low=-1, high=2).double()
    clean.view(4, -1)[:, ::3] = clean.view(4, -1)[:, ::3].round()  # some values begin at the walls
    delta = wild - clean
    room = torch.where(delta > 0, 1 - clean, clean)

    def kept(amount: Tensor) -> Tensor:
        return torch.minimum((delta.abs() - amount.view(-1, 1, 1, 1)).clamp_min(0), room)

    low, high = torch.zeros(4, dtype=torch.float64), torch.full((4,), 3.0, dtype=torch.float64)
    for _ in range(60):
        middle = (low + high) / 2
        outside = kept(middle).flatten(1).sum(1) > radius
        low, high = torch.where(outside, middle, low), torch.where(outside, high, middle)
    within = kept(torch.zeros(4, dtype=torch.float64)).flatten(1).sum(1) <= radius
    expected = clean + kept(torch.where(within, 0.0, high)) * delta.sign()
    found = project(wild, clean, torch.full((4,), radius, dtype=torch.float64), "l1")
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-7)
    assert (distance(found, clean, "l1") <= radius * (1 + 1e-6)).all()


def test_the_l0_projection_keeps_the_largest_changes() -> None:
    clean = torch.full((2, 1, 2, 2), 0.5)
    moved = clean + torch.tensor([[0.1, -0.4], [0.3, 0.2]])
    found = project(moved, clean, torch.tensor([2.0, 0.0]), "l0")
    assert torch.equal(found[0, 0], clean[0, 0] + torch.tensor([[0.0, -0.4], [0.3, 0.0]]))
    assert torch.equal(found[1], clean[1])
    assert distance(found, clean, "l0").tolist() == [2, 0]


@given(seeds, norms)
def test_what_is_inside_stays_where_it_is(seed: int, norm: Norm) -> None:
    clean = images(seed)
    near = (clean + images(seed + 1, low=-0.01, high=0.01)).clamp(0, 1)
    assert torch.allclose(project(near, clean, torch.full((4,), 0.2), norm), near, rtol=0, atol=1e-7)


@given(seeds, norms)
def test_a_radius_of_zero_gives_the_clean_image_back(seed: int, norm: Norm) -> None:
    clean = images(seed)
    assert torch.equal(project(images(seed + 1, low=-1, high=2), clean, torch.zeros(4), norm), clean)


@settings(max_examples=25)
@given(seeds, st.floats(0.01, 0.5))
def test_the_linf_projection_is_the_nearest_point_of_ball_and_box(seed: int, radius: float) -> None:
    """Both are boxes: cell by cell, a search of the allowed interval finds nothing nearer."""
    clean, wild = images(seed, 1), images(seed + 1, 1, low=-1, high=2)
    found = project(wild, clean, torch.tensor([radius]), "linf")
    low, high = (clean - radius).clamp(0, 1), (clean + radius).clamp(0, 1)
    grid = torch.linspace(0, 1, 101).view(-1, 1, 1, 1, 1) * (high - low) + low
    nearest = (grid - wild).abs().amin(0)
    assert ((found - wild).abs() <= nearest + 1e-6).all()


@settings(max_examples=25)
@given(seeds, st.floats(0.01, 2))
def test_the_l2_projection_is_the_nearest_point_of_the_ball_where_the_box_is_wide(seed: int, radius: float) -> None:
    clean = images(seed, 1, 0.49, 0.51)
    wild = clean + images(seed + 1, 1, low=-0.4, high=0.4)
    found = project(wild, clean, torch.tensor([radius]), "l2")
    away = length(wild - clean, "l2")
    assert torch.allclose(length(found - wild, "l2"), (away - radius).clamp_min(0), atol=1e-5)


def test_each_image_has_its_own_radius() -> None:
    clean = torch.full((3, 1, 2, 2), 0.5)
    found = project(clean + 1, clean, torch.tensor([0.0, 0.1, 0.2]), "linf")
    assert torch.allclose(found[:, 0, 0, 0], torch.tensor([0.5, 0.6, 0.7]))


@pytest.mark.parametrize("norm", NORMS)
def test_projecting_changes_no_argument(norm: Norm) -> None:
    clean, wild = images(0), images(1, low=-1, high=2)
    before = clean.clone(), wild.clone()
    project(wild, clean, torch.full((4,), 0.1), norm)
    assert torch.equal(clean, before[0])
    assert torch.equal(wild, before[1])


@settings(max_examples=25)
@given(seeds, norms)
def test_no_direction_of_unit_norm_grows_faster(seed: int, norm: Norm) -> None:
    gradient = images(seed, 1, -1, 1)
    best = steepest(gradient, norm)
    assert float(length(best, norm)) == pytest.approx(1, abs=1e-6)
    others = images(seed + 1, 500, -1, 1)
    if norm == "linf":
        others = others.sign()
    others = others / length(others, norm).view(-1, 1, 1, 1)
    growth = (others * gradient).flatten(1).sum(1)
    assert float((best * gradient).sum()) >= float(growth.max())
    dual = gradient.abs().sum() if norm == "linf" else gradient.norm()  # Hölder's bound is reached
    assert float((best * gradient).sum()) == pytest.approx(float(dual), rel=1e-5)


@pytest.mark.parametrize("norm", NORMS)
def test_a_zero_gradient_has_no_direction_and_a_tiny_one_still_has(norm: Norm) -> None:
    gradient = torch.zeros(3, 1, 2, 2)
    gradient[1, 0, 0, 0] = 1e-30
    gradient[2] = -1e30
    found = steepest(gradient, norm)
    assert torch.isfinite(found).all()
    assert torch.equal(found[0], torch.zeros(1, 2, 2))
    assert found[1, 0, 0, 0] == 1
    assert torch.equal(found[2], torch.full((1, 2, 2), -1.0 if norm == "linf" else -0.5))

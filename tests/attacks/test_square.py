"""Square against loops written plainly, its budget, and its schedule."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from attacks.small import Small, reads_in_one_call_what_separate_calls_read, small
from brinell.attacks import Square
from brinell.attacks.components.square_moves import side_of
from brinell.attacks.harness.losses import margin_loss
from brinell.core import Point
from brinell.nn import uniform
from brinell.testing.linear_problems import two_classes


@pytest.fixture(scope="module")
def problem() -> Small:
    return small()


def plain(problem: Small, at: int, epsilon: float, queries: int) -> Tensor:
    """Algorithms 1 and 2 of the paper for one image in linf, pixel by pixel."""
    clean, label = problem.images[at], problem.labels[at : at + 1]
    channels, height, width = clean.shape
    ids = problem.ids[at : at + 1]

    def gap(image: Tensor) -> float:
        with torch.no_grad():
            return float(margin_loss(problem.network(image[None]), label))

    noise = uniform(0, "square stripes", ids, (1, width, channels), 0)[0, 0]
    best = clean.clone()
    for x in range(width):
        for channel in range(channels):
            sign = -1 if noise[x, channel] < 0.5 else 1
            best[channel, :, x] = (clean[channel, :, x] + sign * epsilon).clamp(0, 1)
    highest = gap(best)
    for query in range(1, queries):
        if highest >= 0:
            break
        block, place = divmod(query, 64)
        numbers = uniform(0, "square move", ids, (64, 5 + channels), 0, block)[0, place]
        side = side_of((channels, height, width), 0.8, query / queries)
        top, left = int(numbers[0] * (height - side + 1)), int(numbers[1] * (width - side + 1))
        tried = best.clone()
        for channel in range(channels):
            sign = -1 if numbers[5 + channel] < 0.5 else 1
            for y in range(top, top + side):
                for x in range(left, left + side):
                    tried[channel, y, x] = min(max(float(clean[channel, y, x]) + sign * epsilon, 0.0), 1.0)
        if gap(tried) > highest:
            best, highest = tried, gap(tried)
    return best


def test_is_the_plain_loop(problem: Small) -> None:
    attack = Square(epsilon=0.02, steps=70)
    result = problem.attacked(attack, keep_images=True)
    for at in range(8):
        torch.testing.assert_close(result.adversarials[0][at], plain(problem, at, 0.02, 70), atol=1e-6, rtol=0)
    assert 0 < (result.rows["rank"] > 0).sum() < len(problem.labels)


def test_an_l2_move_keeps_the_length_and_the_box(problem: Small) -> None:
    """Away from the walls the perturbation is epsilon long, after any number of moves."""
    images = 0.4 + 0.2 * problem.images
    with torch.no_grad():
        labels = problem.network(images).argmax(1)
    inner = Small(problem.network, images, labels, problem.ids)
    for queries in (1, 5, 40):
        rows = inner.rows(Square(epsilon=0.1, norm="l2", steps=queries))
        np.testing.assert_allclose(rows["l2"], 0.1, rtol=1e-4)
    assert (inner.rows(Square(epsilon=5.0, norm="l2", steps=10))["l2"] <= 5.0 * (1 + 1e-5)).all()


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_more_queries_break_more(problem: Small, norm: str) -> None:
    epsilon = {"linf": 0.02, "l2": 0.25}[norm]
    few, many = (problem.rows(Square(epsilon=epsilon, norm=norm, steps=steps)) for steps in (3, 300))
    assert (many["rank"] > 0).sum() > (few["rank"] > 0).sum() + 3
    assert many["margin"].mean() < few["margin"].mean()


def test_queries_are_counted_and_limited(problem: Small) -> None:
    calls = []

    def network(images: Tensor) -> Tensor:
        calls.append(len(images))
        with torch.no_grad():
            return problem.network(images)

    rows = Small(network, *problem[1:]).rows(Square(epsilon=0.004, steps=17), rounded=False)
    standing = rows["rank"] == 0
    assert set(rows["queries"][standing].tolist()) == {17}
    assert (rows["queries"][~standing] <= 17).all()
    # Besides: the looks at the network before and after, at four images five times and at two alone, and clean
    # predictions and the final verdict of 24 images each.
    assert rows["queries"].sum() == sum(calls) - (5 * 4 + 2) - 2 * 24


def test_the_side_follows_the_printed_schedule() -> None:
    size = (3, 32, 32)
    for query, halvings in ((0, 0), (10, 0), (11, 1), (51, 2), (201, 3), (501, 4), (1001, 5), (4001, 7), (9999, 9)):
        expected = max(round(math.sqrt(0.8 / 2**halvings * 32 * 32)), 1)
        assert side_of(size, 0.8, query / 10_000) == expected


def test_reads_radii_and_queries_in_one_call(problem: Small) -> None:
    points = [Point(epsilon, steps) for epsilon in (0.01, 0.04) for steps in (5, 60)]
    reads_in_one_call_what_separate_calls_read(problem, Square(epsilon=0.01), points)


def test_restarts_only_help() -> None:
    linear = two_classes(60)
    problem = Small(linear.network, linear.images, linear.labels, linear.ids)
    epsilon = 3 * float(linear.radius["linf"].median())
    one, more = (problem.rows(Square(epsilon=epsilon, steps=3, restarts=count)) for count in (1, 4))
    assert ((more["rank"] > 0) >= (one["rank"] > 0)).all()
    assert (more["restart"] > 0).any()

"""The zoo's own promises: names once, the same weights at each build, logits where nothing else is promised."""

from __future__ import annotations

import pytest
import torch

from zoo import ZOO, OddNetwork, evaluated, images_for, input_gradient


def test_there_are_more_than_a_hundred_networks_of_different_names() -> None:
    assert len({odd.name for odd in ZOO}) == len(ZOO) > 100


WORKING = [odd for odd in ZOO if odd.refused is None]


@pytest.mark.parametrize("odd", WORKING, ids=lambda odd: odd.name)
def test_a_network_returns_finite_logits_and_a_second_one_the_same(odd: OddNetwork) -> None:
    networks = [evaluated(odd.make()[0]) for _ in range(2)]
    classes = odd.make()[2]
    with torch.no_grad():
        first, second = (network(images_for(odd)) for network in networks)
    assert first.shape == (6, classes)
    assert first.isfinite().all()
    assert odd.random or torch.equal(first, second)


@pytest.mark.parametrize("odd", WORKING, ids=lambda odd: odd.name)
def test_gradients_exist_where_they_are_promised(odd: OddNetwork) -> None:
    _, gradient = input_gradient(evaluated(odd.make()[0]), images_for(odd))
    assert (gradient is not None) is odd.gradient

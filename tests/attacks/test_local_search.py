"""LocalSearch against a plain loop over one example at a time, and brute force on four pixels."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import brinell.models
from brinell.attacks import LocalSearch, run_trial
from brinell.core import Point
from brinell.nn import uniform
from brinell.testing.linear_problems import LinearNetwork, two_classes


def plain(network: nn.Module, image: Tensor, label: int, example_id: int, attack: LocalSearch, seed: int) -> Tensor:
    """The algorithm as its docstring tells it, for one image, pixel by pixel."""

    def chance(candidate: Tensor) -> float:
        with torch.no_grad():
            return float(network(candidate[None]).log_softmax(1)[0, label])

    height, width = image.shape[1:]
    current, p = image.clone(), 1.0
    last_change = {(y, x): -(10**6) for y in range(height) for x in range(width)}
    near: set[tuple[int, int]] = set()
    before = chance(current)
    for step in range(1, attack.steps + 1):
        noise = uniform(seed, "pixels", torch.tensor([example_id]), (height * width,), step)[0]
        value = {(y, x): float(noise[y * width + x]) for y in range(height) for x in range(width)}
        rested = [spot for spot, when in last_change.items() if step - when > attack.rest]
        candidates = [spot for spot in rested if spot in near]
        if not candidates:
            candidates = [spot for spot in rested if value[spot] < attack.initial_share]
        candidates = sorted(candidates, key=lambda spot: value[spot])[: attack.max_candidates]
        scores = {}
        for y, x in candidates:
            tried = current.clone()
            for channel in range(3):
                direction = 1.0 if current[channel, y, x] >= 0.5 else -1.0
                tried[channel, y, x] = min(max(0.5 + p * direction, 0.0), 1.0)
            scores[y, x] = chance(tried)
        chosen = sorted(candidates, key=lambda spot: scores[spot])[: attack.changes]
        for y, x in chosen:
            last_change[y, x] = step
            for channel in range(3):
                current[channel, y, x] = changed(float(current[channel, y, x]), float(image[channel, y, x]), attack)
        if chosen:
            reach = attack.distance
            near = {
                (y, x)
                for y, x in itertools.product(range(height), range(width))
                if any(abs(y - a) <= reach and abs(x - b) <= reach for a, b in chosen)
            }
        p = 1.0 if scores and min(scores.values()) < before else p / 2
        before = chance(current)
        with torch.no_grad():
            if network(current[None]).argmax() != label:
                break
    return current


def changed(value: float, clean: float, attack: LocalSearch) -> float:
    if attack.epsilon is None:
        scaled = (value - 0.5) * attack.r
        if abs(scaled) > 0.5:
            scaled -= np.sign(scaled)
        return scaled + 0.5
    own = attack.epsilon if clean >= 0.5 else -attack.epsilon
    if not 0 <= clean + own <= 1 or (value - clean) * own > 0:
        own = -own
    return min(max(clean + own, 0.0), 1.0)


@pytest.mark.parametrize("epsilon", [None, 0.1], ids=["cyclic", "ball"])
def test_equals_the_plain_loop_example_by_example(epsilon: float | None) -> None:
    torch.manual_seed(0)
    model = brinell.models.build("resnet8", in_channels=3, mean=(0.5,) * 3, std=(0.25,) * 3, classes=4)
    images = torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        labels = model(images).argmax(1)
    attack = LocalSearch(epsilon=epsilon, steps=12, changes=2, distance=1, rest=3, max_candidates=9)
    ids = torch.arange(6) + 40
    result = run_trial(model, model, images, labels, ids, attack, seed=5, keep_images=True)
    for place in range(6):
        expected = plain(model, images[place], int(labels[place]), int(ids[place]), attack, 5)
        torch.testing.assert_close(result.adversarials[0, place], expected, atol=1e-5, rtol=0)


def test_four_pixels_by_brute_force() -> None:
    """One round changes the one pixel, of all four, whose saturation hurts the most, and nothing else."""
    generator = torch.Generator().manual_seed(0)
    network = LinearNetwork(torch.randn(3, 4, generator=generator), torch.zeros(3))
    images = torch.rand(40, 1, 2, 2, generator=generator)
    with torch.no_grad():
        labels = network(images).argmax(1)
    attack = LocalSearch(epsilon=0.3, steps=1, changes=1, initial_share=1.0)
    result = run_trial(network, network, images, labels, torch.arange(40), attack, keep_images=True)
    assert result.adversarials is not None
    for image, label, adversarial in zip(images, labels, result.adversarials[0], strict=True):
        tries = image.flatten().repeat(4, 1)
        tries[range(4), range(4)] = (tries[range(4), range(4)] >= 0.5).float()
        with torch.no_grad():
            worst = int(network(tries).log_softmax(1)[:, label].argmin())
        moved = (adversarial != image).flatten().nonzero().flatten().tolist()
        assert moved == [worst]
        assert float((adversarial - image).abs().amax()) == pytest.approx(0.3, abs=1e-6)
    assert 0 < (result.rows["rank"] > 0).sum() < 40


def test_queries_are_counted_and_limited() -> None:
    problem = two_classes(shape=(3, 8, 8))
    calls = []

    def network(images: Tensor) -> Tensor:
        calls.append(len(images))
        return problem.network(images)

    attack = LocalSearch(epsilon=1e-4, steps=6, initial_share=0.5)
    free = run_trial(network, network, problem.images, problem.labels, problem.ids, attack, rounded=False).rows
    # Every call but: the looks at the network before and after (four images five times and two alone), clean
    # predictions, the verdict.
    assert free["queries"].sum() == sum(calls) - (5 * 4 + 2) - 40 - 40
    calls.clear()
    capped = attack.model_copy(update={"max_queries": 60})
    rows = run_trial(network, network, problem.images, problem.labels, problem.ids, capped, rounded=False).rows
    assert rows["queries"].max() <= 60 < free["queries"].max()
    assert rows["queries"].sum() == sum(calls) - (5 * 4 + 2) - 40 - 40
    one = attack.model_copy(update={"max_queries": 1})
    untouched = run_trial(network, network, problem.images, problem.labels, problem.ids, one, rounded=False).rows
    assert set(untouched["queries"].tolist()) == {1}
    assert (untouched["linf"] == 0).all()


def test_reads_rounds_and_radii_in_one_pass() -> None:
    problem = two_classes(shape=(3, 8, 8))
    points = [Point(epsilon, steps) for epsilon in (0.02, 0.1) for steps in (2, 8)]
    arguments = (problem.network, problem.network, problem.images, problem.labels, problem.ids)
    together = run_trial(*arguments, LocalSearch(epsilon=0.02), points=points).rows
    for place, point in enumerate(points):
        alone = run_trial(*arguments, LocalSearch(epsilon=point.epsilon, steps=point.steps)).rows
        part = slice(40 * place, 40 * place + 40)
        for name in ("rank", "queries", "l0", "first_success_step"):
            assert together[name][part].tolist() == alone[name].tolist(), (point, name)

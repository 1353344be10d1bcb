"""BIM against a loop written plainly."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from brinell.attacks import BIM, FGSM, run_trial
from oracles import many_classes


def plain(problem, epsilon: float, steps: int, step_size: float, labels: torch.Tensor) -> torch.Tensor:
    images = problem.images
    for _ in range(steps):
        images = images.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(F.cross_entropy(problem.network(images), labels), images)
        moved = images + step_size * gradient.sign()
        images = torch.clamp(moved, problem.images - epsilon, problem.images + epsilon).clamp(0, 1)
    return images.detach()


@pytest.mark.parametrize("label", ["true", "predicted"])
def test_is_the_plain_loop_where_nothing_breaks(label: str) -> None:
    problem = many_classes()
    problem.labels[:] = problem.network(problem.images).argmax(1)
    epsilon = float(problem.radius["linf"].min()) / 2
    attack = BIM(epsilon=epsilon, steps=7, step_size=epsilon / 3, label=label)
    result = run_trial(
        problem.network, problem.network, problem.images, problem.labels, problem.ids, attack, keep_images=True
    )
    expected = plain(problem, epsilon, 7, epsilon / 3, problem.labels)
    torch.testing.assert_close(result.adversarials[0], expected)


def test_the_predicted_label_is_the_clean_images_and_stays() -> None:
    problem = many_classes()
    predicted = problem.network(problem.images).argmax(1)
    problem.labels[:] = (predicted + 1) % 5
    attack = BIM(epsilon=0.001, steps=3, step_size=0.0005, label="predicted")
    result = run_trial(
        problem.network,
        problem.network,
        problem.images,
        problem.labels,
        problem.ids,
        attack,
        white_box=False,
        trace_every=1,
        keep_images=True,
    )
    # Everything is misclassified from the start, so the first iterate is kept; the trace shows the loss that rises.
    assert result.traces is not None
    assert result.traces["loss_sum"] == sorted(result.traces["loss_sum"])
    with torch.no_grad():
        start = F.cross_entropy(problem.network(problem.images), predicted, reduction="sum")
    assert result.traces["loss_sum"][0] == pytest.approx(float(start), rel=1e-4)


def test_one_step_of_epsilon_is_fgsm() -> None:
    problem = many_classes()
    problem.labels[:] = problem.network(problem.images).argmax(1)
    arguments = (problem.network, problem.network, problem.images, problem.labels, problem.ids)
    one = run_trial(*arguments, BIM(epsilon=0.01, steps=1, step_size=0.01), keep_images=True).adversarials
    other = run_trial(*arguments, FGSM(epsilon=0.01), keep_images=True).adversarials
    assert torch.equal(one, other)


def test_it_is_not_random() -> None:
    assert not BIM(epsilon=0.1).random

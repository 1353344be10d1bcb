"""BIM against a loop written plainly."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from brinell.attacks import BIM, FGSM, run_trial
from brinell.core import Point
from brinell.testing.linear_problems import many_classes


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


def test_without_early_stop_it_is_the_plain_loop_where_everything_breaks_too() -> None:
    problem = many_classes()
    epsilon = float(problem.radius["linf"].max()) * 2
    attack = BIM(epsilon=epsilon, steps=6, step_size=epsilon / 4, early_stop=False)
    points = [Point(epsilon, 3), Point(epsilon, 6)]
    asked = (problem.network, problem.network, problem.images, problem.labels, problem.ids)
    result = run_trial(*asked, attack, points=points, keep_images=True)
    stopping = run_trial(*asked, attack.model_copy(update={"early_stop": True}), points=points, keep_images=True)
    for row, steps in enumerate((3, 6)):
        expected = plain(problem, epsilon, steps, epsilon / 4, problem.labels)
        torch.testing.assert_close(result.adversarials[row], expected)
    assert (stopping.adversarials[1] - expected).abs().max() > 0.1 * epsilon  # which stops short of that
    assert (result.rows["rank"][-30:] > 0).all()
    for name in ("rank", "first_success_step"):
        assert np.array_equal(result.rows[name] > 0, stopping.rows[name] > 0)
    assert np.array_equal(result.rows["first_success_step"], stopping.rows["first_success_step"])
    assert (result.rows["forwards"] >= stopping.rows["forwards"]).all()


class Window(nn.Module):
    """Misclassifies where the mean of an image lies between 0.55 and 0.65, and nowhere else."""

    def forward(self, images: Tensor) -> Tensor:
        mean = images.flatten(1).mean(1)
        other = 0.05 - (mean - 0.6).abs()
        return torch.stack([-other, other], dim=1)


def test_the_latest_success_is_kept_where_the_last_iterate_is_none() -> None:
    images, labels = torch.full((2, 1, 2, 2), 0.5), torch.zeros(2, dtype=torch.int64)
    network = Window()
    # Steps of 0.04: 0.54 (right), 0.58 and 0.62 (wrong); then the loss falls again and it goes to and fro.
    attack = BIM(epsilon=0.3, steps=3, step_size=0.04, early_stop=False)
    result = run_trial(network, network, images, labels, torch.arange(2), attack, keep_images=True)
    assert (result.rows["rank"] > 0).all()
    assert result.rows["first_success_step"].tolist() == [2, 2]
    walked = result.adversarials[0].flatten(1).mean(1)
    assert torch.allclose(walked, torch.full((2,), 0.62), atol=1e-5)

"""What every attack must do, as functions that raise `AssertionError`: the tests run them on every member."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from brinell.attacks import Attack, run_trial
from brinell.core import Point
from oracles import LinearProblem, many_classes, two_classes


def example(kind: type[Attack], epsilon: float = 0.05, **fields: Any) -> Attack:
    """A member with the settings it needs and no others."""
    if kind.model_fields.get("epsilon") and kind.model_fields["epsilon"].is_required():
        fields.setdefault("epsilon", epsilon)
    if "step_size" in kind.model_fields and epsilon > 1e-6:
        fields.setdefault("step_size", epsilon / 4)
    for name, small in (("binary_search_steps", 5), ("initial_const", 0.1), ("queries", 12)):
        if name in kind.model_fields:
            fields.setdefault(name, small)
    if "steps" in kind.model_fields and kind.model_fields["steps"].default > 10:
        fields.setdefault("steps", 12)
    return kind.parse(fields)


def broken(attack: Attack, problem: LinearProblem, **options: Any) -> np.ndarray:
    """Which examples the judge found broken."""
    result = run_trial(problem.network, problem.network, problem.images, problem.labels, problem.ids, attack, **options)
    return result.rows["rank"] > 0


def breaks_what_lies_within_its_radius(kind: type[Attack], norm: str, *, targeted: bool) -> None:
    """On two linear classes the gradient is exact: an image falls if and only if its boundary is in the ball."""
    problem = two_classes()
    radius = problem.radius[norm].numpy()
    epsilon = float(np.median(radius))
    attack = example(kind, epsilon, norm=norm)
    targets = 1 - problem.labels if targeted else None
    fell = broken(attack, problem, targets=targets)
    # A random start's share across the gradient shrinks by a fifth a step: ten do not quite fill an l2 ball.
    clear = np.abs(radius / epsilon - 1) > (2e-2 if norm == "l2" else 1e-3)
    assert clear.mean() > 0.9
    assert fell[clear].tolist() == (radius < epsilon)[clear].tolist()
    assert 0 < fell.sum() < len(fell)


def changes_nothing_at_zero(kind: type[Attack]) -> None:
    """An empty ball holds the clean image alone."""
    problem = two_classes()
    result = run_trial(
        problem.network,
        problem.network,
        problem.images,
        problem.labels,
        problem.ids,
        example(kind, 0.0),
        keep_images=True,
    )
    assert result.adversarials is not None
    assert torch.equal(result.adversarials[0], problem.images)
    assert not (result.rows["rank"] > 0).any()


def finds_the_nearest_boundary(attack: Attack, norm: str, tolerance: float, beyond: float = 0.0) -> None:
    """A minimum-norm attack on several linear classes: everything falls, hardly farther than the closed form,
    and at most `beyond`."""
    problem = many_classes()
    rows = run_trial(problem.network, problem.network, problem.images, problem.labels, problem.ids, attack).rows
    radius = problem.radius[norm].numpy()
    assert (rows["rank"] > 0).all()
    assert (rows[norm] >= radius * (1 - 1e-4)).all()
    np.testing.assert_allclose(rows[norm], radius, rtol=tolerance, atol=beyond)
    assert set(np.isnan(rows.get("epsilon", np.array([np.nan])))) == {True}


def never_loses_by_a_bigger_ball(kind: type[Attack]) -> None:
    """On a linear network what falls at a radius falls at every larger one."""
    problem = two_classes()
    epsilons = [0.0, 0.002, 0.005, 0.01, 0.02, 0.05]
    steps = example(kind).point.steps
    fell = broken(example(kind, 0.05), problem, points=[Point(epsilon, steps) for epsilon in epsilons])
    by_radius = fell.reshape(len(epsilons), -1)
    assert (by_radius[1:] >= by_radius[:-1]).all()
    assert by_radius[-1].sum() > by_radius[0].sum()

"""Settings with which members are tested in seconds, and the tolerance of minimum-norm attacks."""

from __future__ import annotations

from typing import Any

import numpy as np

from brinell.attacks import Attack, run_trial
from brinell.testing import many_classes


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

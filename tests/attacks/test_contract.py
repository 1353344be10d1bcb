"""Every attack, found by itself, against closed forms and conservation laws: the rules of `brinell.testing`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from attacks import contract
from brinell.attacks import ATTACKS, Attack, run_trial
from brinell.core import DataError
from brinell.testing import ATTACK_RULES, Rule, two_classes
from brinell.testing.attack_rules import (
    has_ball,
    misclassified_examples_do_not_change_others,
    reports_progress,
    stays_in_ball_and_box,
    uses_gradient,
)
from brinell.testing.example_networks import AlwaysClassZero

MEMBERS = [ATTACKS[kind] for kind in ATTACKS]
BALL = [member for member in MEMBERS if has_ball(value := contract.example(member)) and uses_gradient(value)]
every = pytest.mark.parametrize("kind", MEMBERS, ids=lambda member: member.kind)
in_a_ball = pytest.mark.parametrize("kind", BALL, ids=lambda member: member.kind)


def rules() -> Iterator[object]:
    for member in MEMBERS:
        for rule in ATTACK_RULES:
            few = rule.check is misclassified_examples_do_not_change_others and "steps" in member.model_fields
            attack = contract.example(member, 0.02, **({"steps": 2} if few else {}))
            if rule.applies(attack):
                yield pytest.param(attack, rule, id=f"{member.kind}-{rule.name}")


@pytest.mark.parametrize(("attack", "rule"), list(rules()))
def test_the_rule_holds(attack: Attack, rule: Rule[Attack]) -> None:
    rule.check(attack)


@every
def test_the_error_about_targets_names_the_attack(kind: type[Attack]) -> None:
    problem = two_classes()
    arguments = (problem.network, problem.network, problem.images, problem.labels, problem.ids, contract.example(kind))
    if not kind.takes_targets:
        with pytest.raises(DataError, match=f"{kind.__name__} is untargeted"):
            run_trial(*arguments, targets=1 - problem.labels)


@every
def test_progress_of_several_batches_is_reported(kind: type[Attack]) -> None:
    reports_progress(contract.example(kind, 0.02), batch_size=4)


@every
def test_progress_of_many_steps_is_reported_seldom(kind: type[Attack]) -> None:
    fields = {"steps": 120, "binary_search_steps": 1}
    attack = contract.example(kind, 0.02, **{name: fields[name] for name in fields if name in kind.model_fields})
    if attack.passes > 1500:  # many runs of so many steps
        attack = attack.model_copy(update={"steps": 40})
    assert attack.point.steps == 1 or attack.passes > 110
    reports: list[float] = []
    run_trial(
        *(AlwaysClassZero(), AlwaysClassZero(), torch.rand(1, 3, 4, 4), torch.zeros(1, dtype=torch.long)),
        *(torch.arange(1), attack),
        progress=lambda label, done, total: reports.append(done),
    )
    assert len(reports) <= 101


@in_a_ball
@settings(max_examples=15, deadline=None)
@given(epsilon=st.floats(0, 1), seed=st.integers(0, 2**31))
def test_ball_and_box_are_never_left(kind: type[Attack], epsilon: float, seed: int) -> None:
    stays_in_ball_and_box(contract.example(kind), (epsilon,), seed)

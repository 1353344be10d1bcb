"""The rules of attacks, each on a problem with a known answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from brinell.attacks import Attack, TrialResult, run_trial
from brinell.core import ConfigurationError, DataError, ModelError, Point
from brinell.testing.example_networks import AlwaysClassZero, FailsAtThirdCall, image_problem
from brinell.testing.linear_problems import LinearProblem, many_classes, two_classes
from brinell.testing.rules import Rule, expect, expect_raises

NORMS: Final = ("linf", "l2")
_MOST_REPORTS: Final = 101
"""Progress reports of one batch: one for each percent."""


def has_ball(attack: Attack) -> bool:
    """Whether its perturbation is bounded by a field `epsilon`."""
    return attack.point.epsilon is not None and "epsilon" in type(attack).model_fields


def uses_gradient(attack: Attack) -> bool:
    """Whether it is a gradient attack."""
    return attack.needs == "gradient"


def norms(attack: Attack) -> list[str]:
    """Those of `NORMS` that its field `norm` accepts; without one the norm that it has."""
    if "norm" not in type(attack).model_fields:
        return [attack.distance_norm] if attack.distance_norm in NORMS else []
    return [norm for norm in NORMS if _accepts(attack, norm)]


def _accepts(attack: Attack, norm: str) -> bool:
    try:
        changed(attack, norm=norm)
    except ConfigurationError:
        return False
    return True


def changed(attack: Attack, **settings: Any) -> Attack:
    """The attack with other values of some settings."""
    return type(attack).parse({**attack.config(), **settings})


def at_epsilon(attack: Attack, epsilon: float, norm: str | None = None) -> Attack:
    """The attack at `epsilon`; where it has a `step_size`, this is a quarter of it."""
    settings: dict[str, Any] = {"epsilon": epsilon}
    if "step_size" in type(attack).model_fields and epsilon > 1e-6:
        settings["step_size"] = epsilon / 4
    if norm is not None and "norm" in type(attack).model_fields:
        settings["norm"] = norm
    return changed(attack, **settings)


def _attacked(problem: LinearProblem, attack: Attack, **options: Any) -> TrialResult:
    network = problem.network
    return run_trial(network, network, problem.images, problem.labels, problem.ids, attack, **options)


def _broken(problem: LinearProblem, attack: Attack, **options: Any) -> Any:
    """For each row whether the harness judged the example misclassified."""
    return _attacked(problem, attack, **options).rows["rank"] > 0


def settings_survive_a_file(attack: Attack) -> None:
    """The settings that `config()` writes are read back as an equal attack."""
    again = type(attack).parse(attack.config())
    expect(again == attack, f"{again!r} is not {attack!r}")
    expect(again.key == attack.key and hash(again) == hash(attack), "its key or its hash changed")


def breaks_exactly_what_lies_in_the_ball(attack: Attack) -> None:
    """Of two linear classes an example falls if and only if the boundary is closer than epsilon."""
    for norm in norms(attack):
        for targeted in (False, True) if attack.takes_targets else (False,):
            _closed_form(attack, norm, targeted=targeted)


def _closed_form(attack: Attack, norm: str, *, targeted: bool) -> None:
    problem = two_classes()
    radius = problem.radius[norm].numpy()
    epsilon = float(np.median(radius))
    targets = 1 - problem.labels if targeted else None
    fell = _broken(problem, at_epsilon(attack, epsilon, norm), targets=targets)
    # A random start's share across the gradient shrinks by a fifth a step: ten do not quite fill an l2 ball.
    clear = np.abs(radius / epsilon - 1) > (2e-2 if norm == "l2" else 1e-3)
    wrong = int((fell != (radius < epsilon))[clear].sum())
    expect(not wrong, f"{norm}, targeted={targeted}: {wrong} of {int(clear.sum())} examples are judged otherwise")


def zero_epsilon_changes_nothing(attack: Attack) -> None:
    """At epsilon 0 the adversarial example is the clean image."""
    problem = two_classes()
    result = _attacked(problem, at_epsilon(attack, 0.0), keep_images=True)
    images: Any = result.adversarials
    expect(torch.equal(images[0], problem.images), "an image was changed")
    expect(not (result.rows["rank"] > 0).any(), "an example was broken")


def larger_epsilon_breaks_no_fewer(attack: Attack) -> None:
    """Of two linear classes what falls at an epsilon falls at every larger one, and something does fall."""
    problem = two_classes()
    epsilons = [0.0, 0.002, 0.005, 0.01, 0.02, 0.05]
    if "epsilon" in attack.sweepable:
        points = [Point(epsilon, attack.point.steps) for epsilon in epsilons]
        by_epsilon = _broken(problem, at_epsilon(attack, epsilons[-1]), points=points).reshape(len(epsilons), -1)
    else:
        by_epsilon = np.stack([_broken(problem, at_epsilon(attack, epsilon)) for epsilon in epsilons])
    lost = int((by_epsilon[1:] < by_epsilon[:-1]).sum())
    expect(not lost, f"{lost} examples fell at a smaller epsilon only")
    expect(by_epsilon[-1].any(), f"no example fell at epsilon {epsilons[-1]}")


def breaks_what_is_easy(attack: Attack) -> None:
    """Of two linear classes some example falls, within epsilon 0.5 where the attack has one."""
    easy = at_epsilon(attack, 0.5) if has_ball(attack) else attack
    expect(_broken(two_classes(), easy).any(), "no example fell")


def never_closer_than_the_boundary(attack: Attack) -> None:
    """Of several linear classes more than half of the examples fall, none closer than its boundary."""
    problem = many_classes()
    for norm in norms(attack):
        rows = _attacked(problem, changed(attack, norm=norm) if "norm" in type(attack).model_fields else attack).rows
        standing = int((rows["rank"] == 0).sum())
        expect(2 * standing < len(rows["rank"]), f"{norm}: {standing} of {len(rows['rank'])} did not fall")
        too_close = rows[norm] < problem.radius[norm].numpy() * (1 - 1e-4)
        closer = int((too_close & (rows["rank"] > 0)).sum())
        expect(not closer, f"{norm}: {closer} examples fell closer than their boundary")


def stays_in_ball_and_box(attack: Attack, epsilons: Sequence[float] = (0.0, 0.03, 0.4, 1.0), seed: int = 0) -> None:
    """Adversarial examples lie in [0, 1] and within epsilon, clean images of zeros and ones included."""
    problem = two_classes(8, seed=seed)
    random = torch.rand(8, 3, 4, 4, generator=torch.Generator().manual_seed(seed))
    for norm in norms(attack):
        for epsilon in epsilons:
            for images in (random, random.round()):
                _check_ball(problem, images, at_epsilon(attack, epsilon, norm), norm, epsilon, seed)


def _check_ball(problem: LinearProblem, images: Tensor, attack: Attack, norm: str, epsilon: float, seed: int) -> None:
    network = problem.network
    result = run_trial(network, network, images, problem.labels, problem.ids, attack, seed=seed, keep_images=True)
    made: Any = result.adversarials
    where = f"{norm}, epsilon {epsilon:g}"
    expect(bool((made >= 0).all() and (made <= 1).all()), f"{where}: pixels from {made.min():g} to {made.max():g}")
    farthest = float(result.rows[norm].max())
    expect(farthest <= epsilon * (1 + 1e-5) + 1e-6, f"{where}: an example at distance {farthest:g}")


def takes_targets_or_refuses_them(attack: Attack) -> None:
    """Targets give rows with `target_rank`, or `DataError` where `takes_targets` is false."""
    problem = two_classes()
    targets = 1 - problem.labels
    if attack.takes_targets:
        expect("target_rank" in _attacked(problem, attack, targets=targets).rows, "its rows have no target_rank")
    else:
        expect_raises(DataError, lambda: _attacked(problem, attack, targets=targets), "a target")


def batches_and_order_do_not_matter(attack: Attack) -> None:
    """Rows depend neither on the batch size nor on the order of the examples."""
    network, images, labels, ids = image_problem()
    whole = run_trial(network, network, images, labels, ids, attack, batch_size=24).rows
    parts = run_trial(network, network, images, labels, ids, attack, batch_size=5).rows
    order = torch.randperm(24, generator=torch.Generator().manual_seed(2))
    shuffled = run_trial(network, network, images[order], labels[order], ids[order], attack, batch_size=7).rows
    for what, rows, places in (("batches of 5", parts, torch.arange(24)), ("another order", shuffled, order)):
        for name in ("prediction", "rank", "forwards", "backwards", "label", "example_id"):
            expect(rows[name].tolist() == whole[name][places].tolist(), f"{what} changed {name}")
        for name in ("margin", "l2"):
            expect(np.allclose(rows[name], whole[name][places], rtol=1e-7, atol=2e-4), f"{what} changed {name}")


def misclassified_examples_do_not_change_others(attack: Attack) -> None:
    """Batches with none, some and only misclassified examples give the rows of one batch."""
    problem = two_classes()
    labels = problem.labels.clone()
    labels[12:20] = 1 - labels[12:20]
    network, ids = problem.network, problem.ids
    whole, parts = (
        run_trial(network, network, problem.images, labels, ids, attack, batch_size=size).rows for size in (40, 8)
    )
    expect(whole.keys() == parts.keys(), "columns depend on the batch size")
    expect(("queries" in whole) == (attack.needs == "scores"), "attacks through scores, and no others, count queries")
    for name, values in whole.items():
        if values.dtype.kind == "f":
            same = np.allclose(values, parts[name], rtol=1e-3, atol=1e-4, equal_nan=True)
        else:
            same = np.array_equal(values, parts[name])
        expect(same, f"batches of 8 changed {name}")


def the_same_seed_gives_the_same_rows(attack: Attack) -> None:
    """Two calls with one seed give equal rows."""
    network, images, labels, ids = image_problem()
    one, two = (run_trial(network, network, images, labels, ids, attack, seed=3).rows for _ in range(2))
    for name, values in one.items():
        same = np.array_equal(values, two[name], equal_nan=values.dtype.kind == "f")
        expect(same, f"{name} differs between two calls")


def network_and_random_state_stay(attack: Attack) -> None:
    """Weights, gradients, modes of the network and the global random state are as before."""
    network, images, labels, ids = image_problem()
    network.train()
    next(network.parameters()).requires_grad_(False)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    random_state = torch.get_rng_state()
    run_trial(network, network, images, labels, ids, attack)
    expect(all(module.training for module in network.modules()), "a module changed between training and evaluation")
    expect(
        all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items()), "a weight was changed"
    )
    expect(all(parameter.grad is None for parameter in network.parameters()), "a parameter has a gradient")
    frozen = [parameter.requires_grad for parameter in network.parameters()].count(False)
    expect(frozen == 1, "requires_grad was changed")
    expect(torch.equal(random_state, torch.get_rng_state()), "the global random state was changed")


def random_state_comes_back_after_an_error(attack: Attack) -> None:
    """An error of the network is passed on, and the global random state is as before."""
    problem = two_classes()
    state = torch.get_rng_state()
    network = FailsAtThirdCall(problem.network)
    call = lambda: run_trial(network, network, problem.images, problem.labels, problem.ids, attack)  # noqa: E731
    expect_raises(RuntimeError, call, "a network that fails")
    expect(torch.equal(state, torch.get_rng_state()), "the global random state was changed")


def refuses_logits_that_are_not_finite(attack: Attack) -> None:
    """Logits that are NaN raise `ModelError`."""
    problem = two_classes()
    problem.network.layer.bias.data[0] = float("nan")
    expect_raises(ModelError, lambda: _attacked(problem, attack), "a network with NaN among its logits")


def reports_progress(attack: Attack, batch_size: int = 6) -> None:
    """Progress rises to the number of examples; attacks of several steps report within a batch, at most 101 times."""
    network, reports = AlwaysClassZero(), []
    images = torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    run_trial(
        *(network, network, images, torch.zeros(6, dtype=torch.long), torch.arange(6), attack),
        batch_size=batch_size,
        progress=lambda label, done, total: reports.append((label, done, total)),
    )
    done = [count for _, count, _ in reports]
    expect({(label, total) for label, _, total in reports} == {(attack.kind, 6)}, "its label or its total is another")
    expect(done == sorted(set(done)), "it does not rise")
    expect({batch_size, 6} <= set(done), "it does not reach the number of examples")
    batches = -(-6 // batch_size)
    expect(len(done) <= _MOST_REPORTS * batches, f"it is reported {len(done)} times")
    if attack.point.steps > 1:
        expect([count for count in done if count < batch_size], "it is not reported within a batch")


def _unbounded(attack: Attack) -> bool:
    return attack.point.epsilon is None


ATTACK_RULES: Final[tuple[Rule[Attack], ...]] = (
    Rule(settings_survive_a_file),
    Rule(breaks_what_is_easy),
    Rule(breaks_exactly_what_lies_in_the_ball, lambda attack: has_ball(attack) and uses_gradient(attack)),
    Rule(larger_epsilon_breaks_no_fewer, lambda attack: has_ball(attack) and uses_gradient(attack)),
    Rule(never_closer_than_the_boundary, lambda attack: _unbounded(attack) and uses_gradient(attack)),
    Rule(zero_epsilon_changes_nothing, has_ball),
    Rule(stays_in_ball_and_box, has_ball),
    Rule(takes_targets_or_refuses_them),
    Rule(batches_and_order_do_not_matter),
    Rule(misclassified_examples_do_not_change_others),
    Rule(the_same_seed_gives_the_same_rows),
    Rule(network_and_random_state_stay),
    Rule(random_state_comes_back_after_an_error),
    Rule(refuses_logits_that_are_not_finite),
    Rule(reports_progress),
)
"""What every attack must do, each rule with the attacks that it is for."""

"""Attacks on networks as people write them: each agrees with the plain network, or gives one clear error."""

from __future__ import annotations

import warnings
from functools import cache

import pytest
import torch
from torch import Tensor, nn

import brinell
from brinell.attacks import ATTACKS, FGSM, Attack, GenAttack, LocalSearch, run_trial
from brinell.attacks.harness.oracle import Oracle, isolated_evaluation
from brinell.core import BrinellError
from covering import covering_pairs
from zoo import ZOO, OddNetwork, evaluated, images_for, input_gradient

CPU = torch.device("cpu")
WORKING = [odd for odd in ZOO if odd.refused is None]
STEADY = [odd for odd in WORKING if not odd.random]


def name_of(odd: OddNetwork) -> str:
    return odd.name


def quick(kind: type[Attack]) -> Attack:
    """Two steps of it."""
    wanted = {
        "epsilon": 0.1,
        "steps": 2,
        "queries": 4,
        "max_candidates": 4,
        "population": 3,
        "binary_search_steps": 1,
        "initial_const": 1.0,
    }
    return kind(**{name: value for name, value in wanted.items() if name in kind.model_fields})


def reference(odd: OddNetwork) -> nn.Module:
    return evaluated(odd.make()[0])


def labels_of(network: nn.Module, odd: OddNetwork) -> Tensor:
    with torch.no_grad():
        return network(images_for(odd)).argmax(1)


@cache
def attacked(odd: OddNetwork) -> tuple[nn.Module, Tensor]:
    """The network that all attacks see, one after the other, and its own predictions."""
    return odd.make()[0], labels_of(reference(odd), odd)


@pytest.mark.parametrize("odd", STEADY, ids=name_of)
def test_logits_and_gradients_are_those_of_the_network(odd: OddNetwork) -> None:
    expected, slope = input_gradient(reference(odd), images_for(odd))
    with torch.no_grad():
        scores = reference(odd)(images_for(odd))
    oracle, images = Oracle(odd.make()[0], CPU), images_for(odd).float()
    with isolated_evaluation(0, oracle.network), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tolerance = 3e-2 if odd.coarse else 1e-5  # of 8 bits of mantissa, and of sums of such
        for form in (oracle.logits(images), oracle.network.deployed(images)(images)):
            assert torch.allclose(form, scores.float(), atol=1e-4, rtol=1e-4)
        if slope is None:
            with pytest.raises(BrinellError, match="do not depend on its images"):
                oracle.gradient(images, lambda logits: logits[:, 0])
            return
        logits, _, gradient = oracle.gradient(images, lambda logits: logits[:, 0])
    assert torch.allclose(logits, expected.float(), atol=1e-4, rtol=1e-4)
    finite = slope.isfinite()
    found, wanted = gradient[finite], slope[finite].float()
    assert torch.allclose(found, wanted, atol=tolerance * float(wanted.abs().max()), rtol=1e-3)
    assert gradient.isfinite().all()


@pytest.mark.parametrize(
    ("odd", "kind"),
    covering_pairs(
        WORKING,
        [ATTACKS[kind] for kind in ATTACKS],
        each=2,
        group=lambda kind: kind.needs,
        name=lambda value: value.name if isinstance(value, OddNetwork) else value.kind,
    ),
)
def test_every_attack_is_judged_by_the_network(odd: OddNetwork, kind: type[Attack]) -> None:
    module, labels = attacked(odd)
    images = images_for(odd)
    before = images.clone()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of zero gradients and batch norms, which other tests are about
        if kind.needs == "gradient" and not odd.gradient:
            with pytest.raises(BrinellError, match="do not depend on its images"):
                brinell.attack(module, images, labels, quick(kind))
            return
        found = brinell.attack(module, images, labels, quick(kind))
    assert torch.equal(images, before)
    if not odd.random:
        with torch.no_grad():
            logits = reference(odd)(found.adversarials.to(odd.dtype))
        two_best = logits.float().topk(2).values
        sure = two_best[:, 0] - two_best[:, 1] > 1e-3
        assert torch.equal(found.predictions[sure], logits.argmax(1)[sure])


@pytest.mark.parametrize("odd", [odd for odd in ZOO if odd.refused], ids=name_of)
@pytest.mark.parametrize(
    "attack", [FGSM(epsilon=0.1), GenAttack(epsilon=0.1, steps=2, population=3)], ids=["fgsm", "gen"]
)
def test_what_returns_no_logits_is_refused_at_the_door(odd: OddNetwork, attack: Attack) -> None:
    with pytest.raises(BrinellError, match=odd.refused):
        brinell.attack(odd.make()[0], images_for(odd), torch.zeros(6, dtype=torch.int64), attack)


@pytest.mark.parametrize("odd", STEADY, ids=name_of)
def test_the_network_is_left_as_it_was(odd: OddNetwork) -> None:
    module = odd.make()[0]
    state = {name: value.clone() for name, value in module.state_dict().items() if isinstance(value, Tensor)}
    modes = [part.training for part in module.modules()]
    trained = [value.requires_grad for value in module.parameters()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run_trial(module, module, images_for(odd), labels_of(reference(odd), odd), torch.arange(6), quick(LocalSearch))
    assert all(torch.equal(value, state[name]) for name, value in module.state_dict().items() if name in state)
    assert modes == [part.training for part in module.modules()]
    assert trained == [value.requires_grad for value in module.parameters()]

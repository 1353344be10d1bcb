"""Every attack, found by itself, against closed forms and conservation laws."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import brinell.models
from attacks import contract
from brinell.attacks import ATTACKS, Attack, Batch, Crafted, run_trial
from brinell.attacks.components.projection import clip_to_ball
from brinell.attacks.harness.oracle import Oracle
from brinell.core import DataError, ModelError, Point
from brinell.nn import Norm
from oracles import two_classes

MEMBERS = [ATTACKS[kind] for kind in ATTACKS]
GRADIENT = [member for member in MEMBERS if member.needs == "gradient"]
BALL = [member for member in GRADIENT if "epsilon" in member.model_fields]
every = pytest.mark.parametrize("kind", MEMBERS, ids=lambda member: member.kind)
in_a_ball = pytest.mark.parametrize("kind", BALL, ids=lambda member: member.kind)


@in_a_ball
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_breaks_what_lies_within_its_radius(kind: type[Attack], norm: Norm) -> None:
    for targeted in (False, True) if kind.takes_targets else (False,):
        contract.breaks_what_lies_within_its_radius(kind, norm, targeted=targeted)


@every
def test_targets_are_refused_where_there_are_none(kind: type[Attack]) -> None:
    problem = two_classes()
    attack, targets = contract.example(kind), 1 - problem.labels
    arguments = (problem.network, problem.network, problem.images, problem.labels, problem.ids, attack)
    if kind.takes_targets:
        assert "target_rank" in run_trial(*arguments, targets=targets).rows
    else:
        with pytest.raises(DataError, match=f"{kind.__name__} is untargeted"):
            run_trial(*arguments, targets=targets)


@in_a_ball
def test_changes_nothing_at_zero(kind: type[Attack]) -> None:
    contract.changes_nothing_at_zero(kind)


@in_a_ball
def test_never_loses_by_a_bigger_ball(kind: type[Attack]) -> None:
    contract.never_loses_by_a_bigger_ball(kind)


class DoNothing(Attack):
    """Returns the clean images and claims success: the contract must see through it."""

    kind = "do_nothing"
    sweepable = frozenset({"epsilon"})
    epsilon: float = 0.1
    norm: Norm = "linf"

    @property
    def point(self) -> Point:
        return Point(self.epsilon, 1)

    def clip(self, candidates: Tensor, clean: Tensor, epsilon: float | None) -> Tensor:
        return clip_to_ball(candidates, clean, epsilon, self.norm)

    def craft(
        self, oracle: Oracle, batch: Batch, points: list[Point], *, seed: int, trace_every: int | None
    ) -> Crafted:
        zeros = torch.zeros((len(points), len(batch.images)), dtype=torch.int32)
        return Crafted(torch.stack([batch.images] * len(points)), zeros, zeros, zeros, zeros)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_an_attack_that_does_nothing_fails_the_contract(norm: Norm) -> None:
    contract.changes_nothing_at_zero(DoNothing)
    with pytest.raises(AssertionError):
        contract.breaks_what_lies_within_its_radius(DoNothing, norm, targeted=False)
    with pytest.raises(AssertionError):
        contract.never_loses_by_a_bigger_ball(DoNothing)


@pytest.fixture(scope="module")
def network() -> nn.Module:
    """A small residual network with batch-norm statistics that are not the identity, in an odd state on purpose."""
    torch.manual_seed(0)
    model = brinell.models.build("resnet8", in_channels=3, mean=(0.5,) * 3, std=(0.25,) * 3, classes=4)
    model.train()
    for _ in range(5):
        model(torch.rand(64, 3, 8, 8))
    return model


def problem_of(network: nn.Module, examples: int = 24) -> tuple[Tensor, Tensor, Tensor]:
    images = torch.rand(examples, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    network.eval()
    with torch.no_grad():
        labels = network(images).argmax(1)
    return images, labels, torch.arange(examples) + 100


@every
def test_batch_size_and_order_do_not_matter(kind: type[Attack], network: nn.Module) -> None:
    images, labels, ids = problem_of(network)
    attack = contract.example(kind, 0.02)
    whole = run_trial(network, network, images, labels, ids, attack, batch_size=24).rows
    parts = run_trial(network, network, images, labels, ids, attack, batch_size=5).rows
    shuffled = torch.randperm(24, generator=torch.Generator().manual_seed(2))
    other = run_trial(network, network, images[shuffled], labels[shuffled], ids[shuffled], attack, batch_size=7).rows
    for rows, order in ((parts, torch.arange(24)), (other, shuffled)):
        for name in ("prediction", "rank", "forwards", "backwards", "label", "example_id"):
            assert rows[name].tolist() == whole[name][order].tolist(), name
        np.testing.assert_allclose(rows["margin"], whole["margin"][order], atol=2e-4)
        np.testing.assert_allclose(rows["l2"], whole["l2"][order], atol=2e-4)


@every
def test_the_network_is_left_as_it_was(kind: type[Attack], network: nn.Module) -> None:
    images, labels, ids = problem_of(network)
    network.train()
    frozen = next(network.parameters())
    frozen.requires_grad_(False)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    random_state = torch.get_rng_state()
    run_trial(network, network, images, labels, ids, contract.example(kind, 0.02))
    assert all(part.training for part in network.modules())
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert [parameter.requires_grad for parameter in network.parameters()].count(False) == 1
    assert torch.equal(random_state, torch.get_rng_state())
    frozen.requires_grad_(True)


class Unbreakable(nn.Module):
    """Class 0 wins wherever the image goes, and yet there is a gradient."""

    def forward(self, images: Tensor) -> Tensor:
        rest = torch.tanh(images.flatten(1)[:, :3])
        return torch.cat([10 + 0 * rest[:, :1], rest], dim=1)


@every
@pytest.mark.parametrize("size", [6, 4])
def test_tells_how_far_it_is(kind: type[Attack], size: int) -> None:
    network, told = Unbreakable(), []
    images, labels = torch.rand(6, 3, 8, 8), torch.zeros(6, dtype=torch.long)
    run_trial(
        *(network, network, images, labels, torch.arange(6), contract.example(kind, 0.02)),
        batch_size=size,
        progress=lambda label, done, total: told.append((label, done, total)),
    )
    done = [place for _, place, _ in told]
    assert {(label, total) for label, _, total in told} == {(kind.kind, 6)}
    assert done == sorted(set(done))
    assert {size, 6} <= set(done)
    if contract.example(kind, 0.02).point.steps > 1:
        assert [place for place in done if place < size]
        assert size == 6 or [place for place in done if 4 < place < 6]


@every
def test_progress_is_said_seldom(kind: type[Attack]) -> None:
    fields = {"steps": 400, "binary_search_steps": 1}
    attack = contract.example(kind, 0.02, **{name: fields[name] for name in fields if name in kind.model_fields})
    told: list[float] = []
    run_trial(
        *(Unbreakable(), Unbreakable(), torch.rand(1, 3, 4, 4), torch.zeros(1, dtype=torch.long), torch.arange(1)),
        attack,
        progress=lambda label, done, total: told.append(done),
    )
    assert len(told) <= 101


class Breaks(nn.Module):
    """A network that fails at its third call."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner, self.calls = inner, [0]

    def __deepcopy__(self, memo: object) -> Breaks:
        twin = Breaks(self.inner)
        twin.calls = self.calls
        return twin

    def forward(self, images: Tensor) -> Tensor:
        self.calls[0] += 1
        if self.calls[0] > 2:
            raise RuntimeError("on purpose")
        return self.inner(images)


@every
def test_randomness_comes_back_after_an_exception(kind: type[Attack]) -> None:
    problem = two_classes()
    state = torch.get_rng_state()
    with pytest.raises(RuntimeError, match="on purpose"):
        run_trial(
            Breaks(problem.network),
            Breaks(problem.network),
            problem.images,
            problem.labels,
            problem.ids,
            contract.example(kind),
        )
    assert torch.equal(state, torch.get_rng_state())


@every
def test_non_finite_logits_are_refused(kind: type[Attack]) -> None:
    problem = two_classes()
    problem.network.layer.bias.data[0] = float("nan")
    with pytest.raises(ModelError, match="NaN or infinite for 4 of 4 images"):
        run_trial(problem.network, problem.network, problem.images, problem.labels, problem.ids, contract.example(kind))


@in_a_ball
@settings(max_examples=15, deadline=None)
@given(
    epsilon=st.floats(0, 1),
    norm=st.sampled_from(["linf", "l2"]),
    seed=st.integers(0, 2**31),
    extreme=st.booleans(),
)
def test_ball_and_box_are_never_left(kind: type[Attack], epsilon: float, norm: Norm, seed: int, extreme: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    problem = two_classes(8, seed=seed)
    images = torch.rand(8, 3, 4, 4, generator=generator)
    if extreme:
        images = images.round()
    attack = contract.example(kind, epsilon, norm=norm)
    result = run_trial(
        problem.network, problem.network, images, problem.labels, problem.ids, attack, seed=seed, keep_images=True
    )
    assert result.adversarials is not None
    adversarials = result.adversarials[0]
    assert adversarials.min() >= 0
    assert adversarials.max() <= 1
    assert (result.rows[norm] <= epsilon * (1 + 1e-5) + 1e-6).all()


@every
def test_the_same_seed_gives_the_same_rows(kind: type[Attack], network: nn.Module) -> None:
    images, labels, ids = problem_of(network)
    attack = contract.example(kind, 0.02)
    one, two = (run_trial(network, network, images, labels, ids, attack, seed=3).rows for _ in range(2))
    for name, values in one.items():
        assert np.array_equal(np.asarray(values), np.asarray(two[name])), name


@every
def test_spared_examples_do_not_change_what_is_known_of_the_others(kind: type[Attack]) -> None:
    """Chunks with none, some and nothing but misclassified examples give the rows of one chunk."""
    problem = two_classes()
    labels = problem.labels.clone()
    labels[12:20] = 1 - labels[12:20]
    attack = contract.example(kind, steps=2) if "steps" in kind.model_fields else contract.example(kind)

    def rows(size: int) -> dict[str, np.ndarray]:
        network = problem.network
        return run_trial(network, network, problem.images, labels, problem.ids, attack, batch_size=size).rows

    whole, parts = rows(40), rows(8)
    assert whole.keys() == parts.keys()
    assert ("queries" in whole) == (kind.needs == "scores")
    for name, values in whole.items():
        if values.dtype.kind == "f":
            np.testing.assert_allclose(values, parts[name], rtol=1e-3, atol=1e-4)
        else:
            np.testing.assert_array_equal(values, parts[name])

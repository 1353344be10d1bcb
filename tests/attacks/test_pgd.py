"""PGD: readings of one pass, restarts, traces, losses, what it spares."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import brinell.models
from brinell.attacks import PGD, run_trial
from brinell.core import ConfigurationError, DataError, Point
from brinell.nn.equivalence import IMAGES
from brinell.testing.linear_problems import many_classes, two_classes
from brinell.training import Train, fit
from counting import Counted


@pytest.fixture(scope="module")
def problem() -> tuple[nn.Module, Tensor, Tensor, Tensor]:
    model = brinell.models.build("resnet8", in_channels=3, mean=(0.5,) * 3, std=(0.25,) * 3, classes=4)
    images = torch.rand(30, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        labels = model(images).argmax(1)
    labels[:5] = (labels[:5] + 1) % 4
    return model, images, labels, torch.arange(30)


def rows(problem, attack, **options):
    model, images, labels, ids = problem
    return run_trial(model, model, images, labels, ids, attack, **options).rows


def test_one_pass_reads_what_separate_runs_read(problem) -> None:
    points = [Point(epsilon, steps) for epsilon in (0.004, 0.01) for steps in (1, 3, 6)]
    attack = PGD(epsilon=0.004, step_size=0.002)
    together = rows(problem, attack, points=points)
    for place, point in enumerate(points):
        alone = rows(problem, attack.at(point))
        part = slice(30 * place, 30 * place + 30)
        for name in ("prediction", "rank", "first_success_step", "forwards", "backwards"):
            assert together[name][part].tolist() == alone[name].tolist(), (point, name)
        np.testing.assert_allclose(together["l2"][part], alone["l2"], atol=1e-5)


def test_one_pass_with_restarts_reads_what_separate_runs_read(problem) -> None:
    points = [Point(epsilon, steps) for epsilon in (0.006, 0.02) for steps in (1, 2, 5)]
    attack = PGD(epsilon=0.006, step_size=0.002, restarts=4)
    together = rows(problem, attack, points=points)
    restarted = 0
    for place, point in enumerate(points):
        alone = rows(problem, attack.at(point))
        part = slice(30 * place, 30 * place + 30)
        for name in ("prediction", "rank", "first_success_step", "restart", "forwards", "backwards"):
            assert together[name][part].tolist() == alone[name].tolist(), (point, name)
        restarted += (alone["restart"] > 0).sum()
    assert restarted > 0


def test_passes_with_restarts_are_those_that_the_network_sees(problem) -> None:
    model, images, labels, ids = problem
    seen = {"forwards": 0, "backwards": 0}
    counted = Counted(model, seen)
    attack = PGD(epsilon=0.02, steps=3, restarts=4)
    run_trial(model, counted, images, labels, ids, attack, white_box=False)
    seen |= {"forwards": 0, "backwards": 0}  # its forms are compared once only
    result = run_trial(model, counted, images, labels, ids, attack, white_box=False)
    # It cannot be traced: what has succeeded was computed by the network itself, and needs no confirmation.
    assert (result.rows["rank"] > 0).sum() > 5
    assert result.rows["forwards"].sum() + IMAGES == seen["forwards"]  # whether the network is still what it was
    assert result.rows["backwards"].sum() == seen["backwards"]


def test_restarts_only_help_and_say_which_one_did(problem) -> None:
    one = rows(problem, PGD(epsilon=0.05, steps=1, step_size=0.005))
    many = rows(problem, PGD(epsilon=0.05, steps=1, step_size=0.005, restarts=20))
    assert ((many["rank"] > 0) >= (one["rank"] > 0)).all()
    assert (many["restart"] > 0).any()
    assert (many["rank"] > 0)[many["restart"] > 0].all()


def test_a_trace_sees_every_example_at_every_step(problem) -> None:
    model, images, labels, ids = problem
    attack = PGD(epsilon=0.02, steps=6, step_size=0.005, restarts=2)
    result = run_trial(model, model, images, labels, ids, attack, trace_every=2, batch_size=7)
    trace = result.traces
    assert trace is not None
    assert list(zip(trace["restart"], trace["step"], strict=True)) == [(r, s) for r in (0, 1) for s in (0, 2, 4, 6)]
    assert set(trace["count"]) == {30}
    assert trace["correct"][3] <= trace["correct"][0]
    assert trace["loss_sum"][3] > trace["loss_sum"][0]


def test_without_a_random_start_the_trace_begins_at_the_clean_image(problem) -> None:
    model, images, labels, ids = problem
    attack = PGD(epsilon=0.02, steps=2, random_start=False)
    trace = run_trial(model, model, images, labels, ids, attack, trace_every=1).traces
    assert trace is not None
    with torch.no_grad():
        logits = model(images)
    loss = torch.nn.functional.cross_entropy(logits, labels, reduction="none").double()
    assert trace["correct"][0] == int((logits.argmax(1) == labels).sum())
    assert trace["loss_sum"][0] == pytest.approx(float(loss.sum()), rel=1e-4)
    assert trace["loss_square_sum"][0] == pytest.approx(float(loss.square().sum()), rel=1e-4)
    assert not attack.random


def test_what_is_wrong_already_is_spared_in_a_white_box_only(problem) -> None:
    spared = rows(problem, PGD(epsilon=0.01))
    assert spared["status"][:5].tolist() == ["spared"] * 5
    assert spared["forwards"][:5].tolist() == [0] * 5
    assert (spared["linf"][:5] == 0).all()
    assert (spared["rank"][:5] > 0).all()
    transferred = rows(problem, PGD(epsilon=0.01), white_box=False)
    assert "spared" not in transferred["status"]


@pytest.mark.parametrize("loss", ["cross_entropy", "margin", "dlr"])
def test_every_loss_breaks_a_linear_network(loss: str) -> None:
    linear = many_classes()
    epsilon = float(linear.radius["linf"].max()) * 1.5
    attack = PGD(epsilon=epsilon, steps=20, loss=loss, restarts=3)
    found = run_trial(linear.network, linear.network, linear.images, linear.labels, linear.ids, attack).rows
    assert (found["rank"] > 0).all()


def test_margin_loss_moves_where_cross_entropy_is_saturated() -> None:
    linear = two_classes()
    for part in linear.network.parameters():
        part.data.mul_(1e4)
    epsilon = float(linear.radius["linf"].max()) * 1.5
    attack = PGD(epsilon=epsilon, steps=10, random_start=False)
    arguments = (linear.network, linear.network, linear.images, linear.labels, linear.ids)
    saturated = run_trial(*arguments, attack).rows
    honest = run_trial(*arguments, attack.model_copy(update={"loss": "margin"})).rows
    assert (saturated["zero_gradients"] == 10).sum() > 20
    assert (saturated["rank"] == 0).sum() > 20
    assert (honest["rank"] > 0).all()


def test_a_loss_that_needs_more_classes_says_so() -> None:
    linear = two_classes()
    with pytest.raises(ConfigurationError, match="dlr needs at least 3 classes; this model has 2"):
        run_trial(
            linear.network, linear.network, linear.images, linear.labels, linear.ids, PGD(epsilon=0.1, loss="dlr")
        )


def test_the_default_step_is_a_quarter_of_each_epsilon() -> None:
    linear = two_classes()
    points = [Point(0.0004, 1), Point(0.0008, 1)]
    attack = PGD(epsilon=0.0004, random_start=False)
    found = run_trial(
        linear.network, linear.network, linear.images, linear.labels, linear.ids, attack, points=points
    ).rows
    np.testing.assert_allclose(found["linf"].reshape(2, -1).max(1), [0.0001, 0.0002], rtol=1e-3)


def test_bfloat16_gradients_break_as_much_and_are_judged_in_float32() -> None:
    """Against the float32 run on the same examples; the network is trained, so that its boundaries mean something."""
    model = brinell.models.build("resnet8")
    train, test = (brinell.data.build("digits", split=split) for split in ("train", "test"))
    fit(model, train, Train(epochs=5, batch_size=64, learning_rate=0.1), seed=0)
    images, labels = test.tensors()
    attack = PGD(epsilon=16 / 255, steps=10)
    exact, rounded = (
        run_trial(model, model, images, labels, test.ids, attack.model_copy(update={"precision": precision})).rows
        for precision in ("float32", "bf16")
    )
    assert 0.1 < (exact["rank"] == 0).mean() < 0.95
    assert (rounded["rank"] == 0).mean() <= (exact["rank"] == 0).mean() + 0.02
    assert rounded["margin"].tolist() != exact["margin"].tolist()
    assert attack.key != attack.model_copy(update={"precision": "bf16"}).key


def test_gradients_that_are_not_finite_are_counted_and_lead_on() -> None:
    class Root(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images.flatten(1)[:, :3].sub(0.5).clamp_min(0).sqrt()  # the slope at zero is infinite

    images, labels = torch.full((4, 1, 2, 2), 0.5), torch.tensor([0, 1, 2, 0])
    attack = PGD(epsilon=0.1, random_start=False)
    found = run_trial(Root(), Root(), images, labels, torch.arange(4), attack, white_box=False)
    assert found.computation.infinite_gradients > 0
    assert any("infinite or undefined" in warning for warning in found.computation.warnings)


def test_goes_towards_classes_in_turn(problem) -> None:
    away = rows(problem, PGD(epsilon=0.012, steps=5, random_start=False))
    three = rows(problem, PGD(epsilon=0.012, steps=5, random_start=False, targets="all", loss="margin"))
    one = rows(problem, PGD(epsilon=0.012, steps=5, random_start=False, targets=1, loss="margin"))
    standing = (three["rank"] == 0) & (three["status"] == "attacked")
    assert standing.any()
    # A pass to order the classes, and three walks of five steps and a look.
    assert set(three["forwards"][standing].tolist()) == {1 + 3 * 6}
    assert ((three["rank"] > 0) >= (one["rank"] > 0)).all()
    assert (three["rank"] > 0).sum() >= (away["rank"] > 0).sum()
    points = [Point(epsilon, steps) for epsilon in (0.006, 0.03) for steps in (2, 5)]
    attack = PGD(epsilon=0.006, targets=2, restarts=2)
    together = rows(problem, attack, points=points)
    for place, point in enumerate(points):
        alone = rows(problem, attack.at(point))
        part = slice(30 * place, 30 * place + 30)
        for name in ("prediction", "restart", "forwards", "backwards"):
            assert together[name][part].tolist() == alone[name].tolist(), (point, name)


def test_targets_are_either_its_own_or_given(problem) -> None:
    with pytest.raises(DataError, match=r"PGD has its own \(targets: 3\)"):
        rows(problem, PGD(epsilon=0.01, targets=3), targets=(problem[2] + 1) % 4)


class Jitter(nn.Module):
    """A linear network times a random number, whose sign is wrong more than every third time."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, images: Tensor) -> Tensor:
        return self.inner(images) * (1 + 3 * torch.randn(len(images), 1))


def test_samples_average_over_what_a_network_draws() -> None:
    linear = two_classes(60)
    epsilon = 1.5 * float(linear.radius["linf"].max())
    network = Jitter(linear.network)
    fell = {}
    for samples in (1, 30):
        attack = PGD(
            epsilon=epsilon, steps=4, step_size=epsilon / 4, random_start=False, loss="margin", samples=samples
        )
        arguments = (network, network, linear.images, linear.labels, linear.ids, attack)
        result = run_trial(*arguments, white_box=False, keep_images=True)
        with torch.no_grad():  # without what is drawn
            fell[samples] = (linear.network(result.adversarials[0]).argmax(1) != linear.labels).double().mean().item()
        assert set((result.rows["forwards"] % samples).tolist()) == {0}
        assert (result.rows["backwards"] <= 4 * samples).all()
    assert fell[1] < 0.7
    assert fell[30] > 0.9

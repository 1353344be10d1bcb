"""Batch norms' statistics after training: moments by hand, one layer after the other."""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from torch import Tensor, nn

from brinell.data import build
from brinell.models import ResNet8
from brinell.training import Batches, Train, accuracy, fit, hold_out, recalibrate


class Twice(nn.Module):
    """One batch norm that runs twice, and one that never runs."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.idle = nn.BatchNorm2d(1), nn.BatchNorm2d(1)

    def forward(self, images: Tensor) -> Tensor:
        return self.norm(torch.cat([self.norm(images), 3 + 0 * images]))


def moments(values: Tensor) -> tuple[Tensor, Tensor]:
    return values.mean((0, 2, 3)), values.transpose(0, 1).flatten(1).var(1)


def test_each_layer_gets_the_moments_of_what_the_recalibrated_ones_before_it_send() -> None:
    images = torch.rand(24, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 5, 3), nn.BatchNorm2d(5))
    first, second = network[1], network[4]
    assert isinstance(first, nn.BatchNorm2d)
    assert isinstance(second, nn.BatchNorm2d)
    assert recalibrate(network.train(), images.split(7)) == 2
    with torch.no_grad():
        inputs = network[0](images)
        normed = network.eval()[:4](images)
    for layer, seen in ((first, inputs), (second, normed)):
        mean, variance = moments(seen)
        torch.testing.assert_close(layer.running_mean, mean)
        torch.testing.assert_close(layer.running_var, variance)


def test_modes_and_what_does_not_learn_stay() -> None:
    frozen, bare = nn.BatchNorm2d(3).requires_grad_(False), nn.BatchNorm2d(3, track_running_stats=False)
    network = nn.Sequential(frozen, bare).train()
    before = copy.deepcopy(network.state_dict())
    assert recalibrate(network, [torch.rand(8, 3, 4, 4)]) == 0
    assert network.training
    assert bare.weight.requires_grad
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_a_layer_that_runs_twice_gets_the_moments_of_both() -> None:
    network = Twice()
    idle = copy.deepcopy(network.idle.state_dict())
    images = torch.rand(8, 1, 2, 2)
    with torch.no_grad():
        again = torch.cat([network.eval().norm(images), torch.full_like(images, 3)])
    mean, variance = moments(torch.cat([images, again]))
    assert recalibrate(network, [images]) == 1
    torch.testing.assert_close(network.norm.running_mean, mean)
    torch.testing.assert_close(network.norm.running_var, variance)
    assert all(torch.equal(value, idle[name]) for name, value in network.idle.state_dict().items())


def test_fit_does_it_after_the_last_epoch_and_after_a_resume(tmp_path: Path) -> None:
    data = build("digits", split="train").subset(torch.arange(300))
    plain = Train(epochs=2, batch_size=50, learning_rate=0.1, holdout=60, augment="shift")
    train = plain.model_copy(update={"recalibration": 100})
    kept, held = hold_out(data, train, 3)
    assert held is not None
    expected = ResNet8(in_channels=1, width=4).module(0)
    module, resumed = copy.deepcopy(expected), copy.deepcopy(expected)

    history = fit(expected, data, plain, seed=3)
    fresh = list(Batches(kept, train, 3).epoch(2))
    recalibrate(expected, [batch.images for batch in fresh[:3]])  # batches of 48: 100 images lie in three of them

    done = fit(module, data, train, seed=3, checkpoint=tmp_path)
    for name, value in module.state_dict().items():
        torch.testing.assert_close(value, expected.state_dict()[name], msg=name)
    assert done.epochs[-1].accuracy == accuracy(module, held)
    assert [epoch.loss for epoch in done.epochs] == [epoch.loss for epoch in history.epochs]

    again = fit(resumed, data, train, seed=3, checkpoint=tmp_path)  # a finished run returns at once
    assert again.epochs == done.epochs
    assert all(torch.equal(value, module.state_dict()[name]) for name, value in resumed.state_dict().items())

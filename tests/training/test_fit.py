"""`fit` on problems whose answer is known."""

from __future__ import annotations

import copy
import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from brinell.core import ConfigurationError, DataError, DivergenceError, ModelError
from brinell.data import Dataset, build
from brinell.models import ResNet8
from brinell.training import Batch, Batches, Train, accuracy, fit, hold_out
from brinell.training.schedules import learning_rate


def blobs(examples: int = 120) -> Dataset:
    """Two classes that the first pixel separates with room to spare."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(examples) % 2
    images = torch.randint(0, 256, (examples, 1, 2, 2), generator=generator, dtype=torch.uint8)
    images[:, 0, 0, 0] = torch.where(labels == 1, 220, 30).to(torch.uint8)
    return Dataset("blobs", "train", images, labels, torch.arange(examples), ("dark", "light"), "blobs")


def linear(seed: int = 0) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Flatten(), nn.Linear(4, 2))


def test_a_linear_model_separates_what_is_separable() -> None:
    module, data = linear(), blobs()
    history = fit(module, data, Train(epochs=20, batch_size=16, learning_rate=1.0), seed=0)
    assert accuracy(module, data) == 1.0
    assert history.epochs[-1].loss < 0.1 < history.epochs[0].loss
    assert not module.training


def test_one_step_of_sgd_is_the_formula() -> None:
    module, data = linear(), blobs(8)
    expected = copy.deepcopy(module)
    images, labels = data.tensors()
    F.cross_entropy(expected(images), labels).backward()
    fit(module, data, Train(epochs=1, batch_size=8, learning_rate=0.5, momentum=0, weight_decay=0.1), seed=0)
    for parameter, before in zip(module.parameters(), expected.parameters(), strict=True):
        assert before.grad is not None
        torch.testing.assert_close(parameter, before - 0.5 * (before.grad + 0.1 * before))


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_steps_equal_those_of_a_plain_pytorch_loop(optimizer: str) -> None:
    train = Train(epochs=3, batch_size=16, learning_rate=0.05, optimizer=optimizer, weight_decay=0.01)
    module, data = linear(), blobs(50)
    plain = copy.deepcopy(module)
    fit(module, data, train, seed=3)
    kinds = {
        "sgd": lambda: torch.optim.SGD(plain.parameters(), lr=0.05, momentum=0.9, weight_decay=0.01),
        "adamw": lambda: torch.optim.AdamW(plain.parameters(), lr=0.05, betas=(0.9, 0.999), weight_decay=0.01),
    }
    reference = kinds[optimizer]()
    batches = Batches(data, train, 3)
    for step, batch in enumerate(itertools.chain(*(batches.epoch(epoch) for epoch in range(3)))):
        reference.param_groups[0]["lr"] = learning_rate(train, step, 3 * len(batches))
        reference.zero_grad()
        F.cross_entropy(plain(batch.images), batch.labels).backward()
        reference.step()
    for ours, theirs in zip(module.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_a_seed_decides_and_the_global_random_state_does_not() -> None:
    data, results = blobs(), []
    for seed, noise in ((0, 1), (0, 2), (1, 1)):
        module = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(4, 2))
        module[2].load_state_dict(linear()[1].state_dict())
        torch.manual_seed(noise)
        before = torch.get_rng_state()
        fit(module, data, Train(epochs=2, batch_size=16), seed=seed)
        assert torch.equal(torch.get_rng_state(), before)
        results.append(module[2].weight.detach())
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


def test_what_is_frozen_stays() -> None:
    module = ResNet8(width=4).module()
    for part in (module.model.conv1, module.model.bn1):
        part.requires_grad_(False)
    before = copy.deepcopy(module.state_dict())
    fit(module, build("digits", examples=64), Train(epochs=1, batch_size=32), seed=0)
    frozen = {name for name in before if name.startswith(("model.conv1.", "model.bn1."))}
    assert len(frozen) == 6  # with the batch norm's statistics and their counter
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, before[name]) == (name in frozen), name


def test_frozen_altogether_is_refused() -> None:
    with pytest.raises(ModelError, match="nothing to train"):
        fit(linear().requires_grad_(False), blobs(), Train(), seed=0)


def test_after_every_step_the_caller_may_put_weights_back() -> None:
    module = linear()

    def pin(module: nn.Module) -> None:
        module[1].bias.zero_()

    fit(module, blobs(), Train(epochs=2, batch_size=16), seed=0, after_step=pin)
    assert torch.equal(module[1].bias, torch.zeros(2))


def test_a_loss_of_ones_own_sees_every_example_once_an_epoch() -> None:
    data, seen = blobs(101), []

    def loss(module: nn.Module, batch: Batch) -> torch.Tensor:
        seen.append((batch.epoch, batch.ids))
        return module(batch.images).square().mean()

    fit(linear(), data, Train(epochs=2, batch_size=16), seed=0, loss=loss)
    for epoch in range(2):
        ids = torch.cat([found for at, found in seen if at == epoch])
        assert torch.equal(ids.sort().values, data.ids)
    assert not torch.equal(seen[0][1], seen[len(seen) // 2][1])


def test_divergence_names_epoch_batch_and_rate() -> None:
    def loss(module: nn.Module, batch: Batch) -> torch.Tensor:
        value = module(batch.images).mean()
        return value * float("nan") if (batch.epoch, batch.number) == (1, 2) else value

    with pytest.raises(DivergenceError, match=r"nan in epoch 2 of 3, batch 3 of 8, at learning rate 0\.25;"):
        fit(
            linear(),
            blobs(),
            Train(epochs=3, batch_size=16, learning_rate=0.25, schedule="constant"),
            seed=0,
            loss=loss,
        )


def test_a_last_step_that_diverges_is_noticed() -> None:
    def spoil(module: nn.Module) -> None:
        module[1].bias.fill_(float("inf"))

    with pytest.raises(DivergenceError, match="a weight is not finite after epoch 1 of 1, batch 1 of 1"):
        fit(linear(), blobs(4), Train(epochs=1), seed=0, after_step=spoil)


def test_a_last_batch_of_one_does_not_upset_batch_norm() -> None:
    module = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(4), nn.Linear(4, 2))
    for examples in (33, 3, 2):
        fit(module, blobs(examples), Train(epochs=1, batch_size=2), seed=0)


def test_fewer_than_two_examples_are_refused() -> None:
    with pytest.raises(DataError, match="at least 2"):
        fit(linear(), blobs(1), Train(), seed=0)


def test_a_model_of_another_shape_is_refused() -> None:
    with pytest.raises(ModelError, match="does not accept images"):
        fit(linear(), build("digits", examples=10), Train(), seed=0)
    narrow = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    with pytest.raises(ModelError, match=r"3 logits.*labels up to 9"):
        fit(narrow, build("digits"), Train(), seed=0)


def test_a_module_that_calls_view_trains_too() -> None:
    class Viewing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.linear = nn.Conv2d(1, 4, 3, padding=1), nn.Linear(16, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.linear(self.conv(x).view(len(x), -1))

    module = Viewing()
    fit(module, blobs(), Train(epochs=1), seed=0)
    assert module.conv.weight.is_contiguous()


def test_held_out_examples_are_measured_and_not_trained_on() -> None:
    data = blobs()
    kept, held = hold_out(data, Train(holdout=20), seed=0)
    assert held is not None
    assert set(kept.ids.tolist()) | set(held.ids.tolist()) == set(data.ids.tolist())
    seen: set[int] = set()

    def loss(module: nn.Module, batch: Batch) -> torch.Tensor:
        seen.update(batch.ids.tolist())
        return F.cross_entropy(module(batch.images), batch.labels)

    module = linear()
    history = fit(module, data, Train(epochs=2, holdout=20), seed=0, loss=loss)
    assert seen == set(kept.ids.tolist())
    assert history.epochs[-1].accuracy == accuracy(module, held)
    assert fit(linear(), data, Train(epochs=1), seed=0).epochs[0].accuracy is None


def test_bf16_trains_and_leaves_float32_weights() -> None:
    module, data = linear(), blobs()
    fit(module, data, Train(epochs=10, batch_size=16, learning_rate=1.0, precision="bf16"), seed=0)
    assert accuracy(module, data) == 1.0
    assert {parameter.dtype for parameter in module.parameters()} == {torch.float32}


def test_gradient_clipping_bounds_the_step() -> None:
    module = linear()
    before = torch.cat([parameter.detach().flatten() for parameter in module.parameters()]).clone()
    train = Train(epochs=1, batch_size=200, learning_rate=1.0, momentum=0, weight_decay=0, gradient_clip=1e-3)
    fit(module, blobs(), train, seed=0)
    after = torch.cat([parameter.detach().flatten() for parameter in module.parameters()])
    assert float((after - before).norm()) == pytest.approx(1e-3, rel=1e-2)


def test_progress_counts_examples_up_to_the_total() -> None:
    calls: list[tuple[str, float, float]] = []
    fit(linear(), blobs(), Train(epochs=3, batch_size=16), seed=0, progress=lambda *call: calls.append(call), label="x")
    assert [done for _, done, _ in calls] == sorted(done for _, done, _ in calls)
    assert calls[-1] == ("x", 360, 360)


def test_a_dropout_of_ones_own_is_that_of_a_network_built_so() -> None:
    def network(probability: float) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            layers = nn.Flatten(), nn.Linear(4, 16), nn.ReLU(), nn.Dropout(probability), nn.Linear(16, 2)
            return nn.Sequential(*layers)

    train = Train(epochs=2, batch_size=16, learning_rate=0.1)
    found = {}
    for name, built, asked in (("built", 0.2, None), ("asked", 0.7, 0.2), ("other", 0.7, None), ("none", 0.7, 0.0)):
        module = network(built)
        fit(module, blobs(), train.model_copy(update={"dropout": asked}), seed=0)
        assert module.get_submodule("3").p == built
        found[name] = module.get_submodule("4").weight
    assert torch.equal(found["built"], found["asked"])
    assert not torch.equal(found["asked"], found["other"])
    assert not torch.equal(found["asked"], found["none"])


def test_a_dropout_for_a_network_without_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"train\.dropout: 0\.2 asked for, and the network has no dropout"):
        fit(linear(), blobs(), Train(dropout=0.2), seed=0)

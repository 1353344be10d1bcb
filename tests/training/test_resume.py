"""A run that is killed and started again ends where an undisturbed one does, bit for bit."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from brinell.core import StoreError
from brinell.data import Dataset, build
from brinell.models import ResNet8
from brinell.store import content_hash_fits
from brinell.training import History, Train, checkpoint_intervals, fit, histories
from brinell.training.checkpoint import FILE


class KilledError(Exception):
    """Stands for SIGKILL: nothing after it runs in the callback's batch."""


@pytest.fixture(autouse=True)
def frequent_checkpoints() -> Iterator[None]:
    with checkpoint_intervals(0.02, 0.0):
        yield


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return build("digits", examples=200)


class Network(nn.Module):
    """Batch norm statistics, dropout, frozen and trained parameters: everything that a checkpoint has to hold."""

    def __init__(self) -> None:
        super().__init__()
        self.model = ResNet8(width=4).module().model
        self.dropout = nn.Dropout(0.2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.model(self.dropout(x))


def network() -> Network:
    module = Network()
    module.model.conv1.requires_grad_(False)
    return module


def values(history: History) -> list[tuple[int, float, float, float | None]]:
    return [(epoch.epoch, epoch.loss, epoch.learning_rate, epoch.accuracy) for epoch in history.epochs]


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_killed_at_random_moments(optimizer: str, tmp_path: Path, digits: Dataset) -> None:
    train = Train(
        epochs=4,
        batch_size=16,
        learning_rate=0.02,
        optimizer=optimizer,
        augment="crop_flip",
        schedule="one_cycle",
        holdout=20,
    )
    undisturbed = network()
    whole = fit(undisturbed, digits, train, seed=5)

    random_moments, kills = random.Random(optimizer), 0  # noqa: S311
    while True:
        left = random_moments.randrange(3, 25)

        def kill(label: str, done: float, total: float) -> None:
            nonlocal left
            left -= 1
            if not left:
                raise KilledError

        module = network()
        try:
            history = fit(module, digits, train, seed=5, checkpoint=tmp_path, progress=kill)
            break
        except KilledError:
            kills += 1
    assert kills >= 2
    for name, tensor in undisturbed.state_dict().items():
        assert torch.equal(module.state_dict()[name], tensor), name
    assert values(history) == values(whole)
    assert not [path for path in tmp_path.rglob("*") if path.name != FILE]


def test_killed_in_the_middle_of_a_write(tmp_path: Path, digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    train = Train(epochs=2, batch_size=32, learning_rate=0.05)
    whole = network()
    fit(whole, digits, train, seed=0)
    real, writes = Path.write_bytes, 0

    def dies(path: Path, data: bytes) -> int:
        nonlocal writes
        writes += 1
        if writes == 2:
            real(path, data[: len(data) // 2])
            raise KilledError
        return real(path, data)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", dies)
        with pytest.raises(KilledError):
            fit(network(), digits, train, seed=0, checkpoint=tmp_path)
    module = network()
    fit(module, digits, train, seed=0, checkpoint=tmp_path)
    for name, tensor in whole.state_dict().items():
        assert torch.equal(module.state_dict()[name], tensor), name


def test_a_finished_run_is_not_run_again(tmp_path: Path, digits: Dataset) -> None:
    first = network()
    history = fit(first, digits, Train(epochs=1), seed=0, checkpoint=tmp_path, label="stage")
    module, steps = network(), []
    again = fit(module, digits, Train(epochs=1), seed=0, checkpoint=tmp_path, progress=lambda *call: steps.append(call))
    assert not steps
    assert values(again) == values(history)
    assert torch.equal(module.model.linear.weight, first.model.linear.weight)


def test_checkpoints_of_other_runs_are_refused(tmp_path: Path, digits: Dataset) -> None:
    fit(network(), digits, Train(epochs=1), seed=0, checkpoint=tmp_path)
    other = network()
    other.model.linear.bias.data += 1
    cases = [
        ("settings", network(), digits, Train(epochs=2), 0),
        ("seed", network(), digits, Train(epochs=1), 1),
        ("data", network(), digits.subset(slice(0, 100)), Train(epochs=1), 0),
        ("parameters", network().requires_grad_(True), digits, Train(epochs=1), 0),
        ("starting weights", other, digits, Train(epochs=1), 0),
    ]
    for what, module, data, train, seed in cases:
        with pytest.raises(StoreError, match=rf"another run \({what} differ"):
            fit(module, data, train, seed=seed, checkpoint=tmp_path)
    with pytest.raises(StoreError, match=r"another run \(context differ"):
        fit(network(), digits, Train(epochs=1), seed=0, checkpoint=tmp_path, context="another loss")


def test_a_damaged_checkpoint_is_one_clear_error(tmp_path: Path, digits: Dataset) -> None:
    fit(network(), digits, Train(epochs=1), seed=0, checkpoint=tmp_path)
    file = tmp_path / FILE
    whole = file.read_bytes()
    for damaged in (b"", whole[:100], whole[: len(whole) // 2], b"\xff" * 200):
        file.write_bytes(damaged)
        with pytest.raises(StoreError, match="delete it to start over"):
            fit(network(), digits, Train(epochs=1), seed=0, checkpoint=tmp_path)


def test_no_flipped_bit_of_a_checkpoint_is_accepted(tmp_path: Path, digits: Dataset) -> None:
    """Each of its bytes counts: 10,000 flips by the hash alone, every hundredth through what reads the file."""
    fit(network(), digits, Train(epochs=1), seed=0, checkpoint=tmp_path)
    file, chance = tmp_path / FILE, random.Random(0)  # noqa: S311
    whole = file.read_bytes()
    assert content_hash_fits(whole, FILE)
    for flip in range(10_000):
        place, bit = chance.randrange(len(whole)), 1 << chance.randrange(8)
        damaged = whole[:place] + bytes([whole[place] ^ bit]) + whole[place + 1 :]
        assert not content_hash_fits(damaged, FILE)
        if flip % 100 == 0:
            file.write_bytes(damaged)
            with pytest.raises(StoreError, match="delete it to start over"):
                histories(tmp_path)
            with pytest.raises(StoreError, match="delete it to start over"):
                fit(network(), digits, Train(epochs=1), seed=0, checkpoint=tmp_path)


def test_histories_are_found_in_the_order_of_their_folders(tmp_path: Path, digits: Dataset) -> None:
    for stage, epochs in (("1-first", 1), ("2-second", 2)):
        fit(network(), digits, Train(epochs=epochs), seed=0, checkpoint=tmp_path / stage, label=stage)
    found = histories(tmp_path)
    assert [(history.stage, len(history.epochs)) for history in found] == [("1-first", 1), ("2-second", 2)]
    assert set(found[0].frame_columns()) == {"epoch", "stage", "loss", "learning_rate", "accuracy", "seconds"}

"""Settings, schedules and batches, by themselves."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from brinell.core import ConfigurationError
from brinell.data import Dataset
from brinell.training import Adversarial, Batches, Distillation, Train
from brinell.training.batches import shifted
from brinell.training.schedules import learning_rate


def split(examples: int) -> Dataset:
    images = torch.zeros(examples, 1, 2, 2, dtype=torch.uint8)
    return Dataset(
        "none", "train", images, torch.zeros(examples, dtype=torch.int64), torch.arange(examples), ("a",), ""
    )


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"epoch": 3}, r"train\.epoch: unknown key; did you mean 'epochs'"),
        ({"learning_rate": 0}, "greater than 0"),
        ({"batch_size": 1}, "greater than or equal to 2"),
        ({"schedule": "step"}, "'cosine', 'one_cycle' or 'constant'"),
        ({"nesterov": True, "momentum": 0}, "nesterov needs"),
        ({"momentum": 1.0}, "less than 1"),
    ],
)
def test_bad_settings_are_refused_by_name(config: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Train.parse(config, "train")


def test_every_field_is_part_of_the_key() -> None:
    other = {
        "epochs": 3, "batch_size": 8, "learning_rate": 0.2, "optimizer": "adamw", "momentum": 0.5, "nesterov": True,
        "weight_decay": 0.0, "schedule": "constant", "augment": "shift", "label_smoothing": 0.1, "gradient_clip": 1.0,
        "precision": "bf16", "holdout": 5, "adversarial": Adversarial(), "distillation": Distillation(), "dropout": 0.5,
        "recalibration": 100,
    }  # fmt: skip
    assert set(other) == set(Train.model_fields)
    keys = {Train(**{name: value}).key for name, value in other.items()}
    assert len(keys | {Train().key}) == len(other) + 1


def test_schedules_at_known_points() -> None:
    def rates(schedule: str, *steps: int) -> list[float]:
        return [learning_rate(Train(schedule=schedule, learning_rate=1.0), step, 100) for step in steps]

    assert rates("constant", 0, 99) == [1, 1]
    assert rates("cosine", 0, 50, 100) == pytest.approx([1, 0.5, 0])
    assert rates("one_cycle", 0, 15, 30, 65, 100) == pytest.approx([0.04, 0.52, 1, 0.5, 0])


@given(examples=st.integers(2, 300), size=st.integers(2, 64), seed=st.integers(0, 5))
def test_batches_cover_every_example_once_in_nearly_equal_sizes(examples: int, size: int, seed: int) -> None:
    batches = Batches(split(examples), Train(batch_size=size), seed)
    found = [batch.ids for batch in batches.epoch(0)]
    sizes = [len(ids) for ids in found]
    assert len(found) == len(batches)
    assert torch.equal(torch.cat(found).sort().values, torch.arange(examples))
    assert max(sizes) - min(sizes) <= 1
    assert min(sizes) >= 2
    assert max(sizes) <= max(size, 3)


def test_an_epoch_can_be_entered_in_the_middle() -> None:
    batches = Batches(split(40), Train(batch_size=8), seed=1)
    whole = [batch.ids for batch in batches.epoch(2)]
    late = [batch.ids for batch in batches.epoch(2, start=3)]
    assert len(late) == 2
    assert all(torch.equal(left, right) for left, right in zip(late, whole[3:], strict=True))
    assert not torch.equal(whole[0], next(iter(batches.epoch(3))).ids)


def test_each_shifted_image_is_a_crop_of_the_padded_one() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(1, 256, (300, 3, 8, 16), generator=generator, dtype=torch.uint8)
    moved = shifted(images, generator, flip=True)
    padded = torch.nn.functional.pad(images, (2, 2, 1, 1))
    found = []
    for image, frame in zip(moved, padded, strict=True):
        match = [
            (down, right, mirrored)
            for down in range(3)
            for right in range(5)
            for mirrored in (False, True)
            if torch.equal(image, _crop(frame, down, right, mirrored))
        ]
        assert len(match) == 1
        found += match
    assert len(set(found)) == 3 * 5 * 2  # every move there is
    mirrored = sum(flip for _, _, flip in found) / len(found)
    assert 0.4 < mirrored < 0.6
    assert not torch.equal(shifted(images, generator, flip=False), moved)


def _crop(frame: torch.Tensor, down: int, right: int, mirrored: bool) -> torch.Tensor:
    crop = frame[:, down : down + 8, right : right + 16]
    return crop.flip(2) if mirrored else crop

"""A split in memory: samples, holdouts, and the check that images and labels are what attacks expect."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from brinell.core import ConfigurationError, DataError
from brinell.data import Dataset, Digits, build, check_images, from_tensors

Both = tuple[Dataset, Dataset]


def ids(dataset: Dataset) -> list[int]:
    return dataset.ids.tolist()


def test_digits_are_split_once_and_for_all(digits: Both) -> None:
    train, test = digits
    assert (len(train), len(test)) == (1297, 500)
    assert sorted(ids(train) + ids(test)) == list(range(1797))
    assert ids(test)[:8] == [4, 6, 8, 13, 14, 26, 37, 39]  # pinned: another split would be another experiment
    assert ids(Digits().load("test")) == ids(test)
    assert train.fingerprint == test.fingerprint
    assert len(train.fingerprint) == 64


def test_digits_are_whole_images_of_every_class(digits: Both) -> None:
    for split in digits:
        assert split.images.dtype == torch.uint8
        assert split.images.shape[1:] == (1, 8, 8) == split.input_shape
        assert split.images.min() == 0
        assert split.images.max() == 255
        assert split.classes == 10
        assert len(set(split.labels.tolist())) == 10
        images, labels = split.tensors()
        assert images.dtype == torch.float32
        assert images.min() >= 0
        assert images.max() == 1
        assert labels.dtype == torch.int64
        check_images(images, labels, split.classes)


def test_the_first_digits_are_scikit_learn_s(digits: Both) -> None:
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    for split in digits:
        levels = split.tensors()[0].flatten(1) * 16
        assert torch.allclose(levels, torch.from_numpy(images)[split.ids].float(), atol=0.05)
        assert split.labels.tolist() == labels[split.ids].tolist()


@given(one=st.integers(1, 500), other=st.integers(1, 500), seed=st.integers(0, 5))
def test_a_larger_sample_begins_with_every_smaller_one(digits: Both, one: int, other: int, seed: int) -> None:
    _, test = digits
    small, large = sorted((one, other))
    assert ids(test.take(large, seed))[:small] == ids(test.take(small, seed))
    assert len(set(ids(test.take(large, seed)))) == large


def test_samples_keep_image_label_and_id_together_and_follow_the_seed(digits: Both) -> None:
    _, test = digits
    sample = test.take(50, seed=3)
    for image, label, name in zip(sample.images, sample.labels, sample.ids, strict=True):
        at = ids(test).index(int(name))
        assert torch.equal(image, test.images[at])
        assert label == test.labels[at]
    assert ids(test.take(50, seed=4)) != ids(sample)
    assert sample.fingerprint == test.fingerprint


@given(examples=st.integers(0, 1296), seed=st.integers(0, 5))
def test_what_is_held_out_is_not_trained_on(digits: Both, examples: int, seed: int) -> None:
    train, _ = digits
    rest, held = train.holdout(examples, seed)
    assert len(held) == examples
    assert sorted(ids(rest) + ids(held)) == ids(train)


def test_the_holdout_is_no_beginning_of_the_sample(digits: Both) -> None:
    train, _ = digits
    held = train.holdout(100, seed=0)[1]
    assert set(ids(held)) != set(ids(train.take(100, seed=0)))


@pytest.mark.parametrize("examples", [0, -1, 501])
def test_more_than_there_is_cannot_be_sampled(digits: Both, examples: int) -> None:
    with pytest.raises(DataError, match=f"examples: {examples} asked for; digits/test has 1 to 500"):
        digits[1].take(examples)


@pytest.mark.parametrize("examples", [-1, 500])
def test_something_must_be_left_to_train_on(digits: Both, examples: int) -> None:
    with pytest.raises(DataError, match=f"holdout: {examples} asked for; digits/test can spare 0 to 499"):
        digits[1].holdout(examples)


def test_build_finds_data_sets_by_name() -> None:
    assert ids(build("digits", split="test", examples=5, seed=2)) == ids(Digits().load("test").take(5, 2))
    with pytest.raises(ConfigurationError, match="unknown data set 'digit'; did you mean 'digits'"):
        build("digit")
    with pytest.raises(ConfigurationError, match="split: unknown split 'val'; accepted: train, test"):
        build("digits", split="val")
    with pytest.raises(ConfigurationError, match=r"digits\.root: unknown key"):
        build("digits", root="x")


IMAGES, LABELS = torch.rand(4, 3, 5, 5), torch.tensor([0, 1, 2, 1])


def test_good_images_pass() -> None:
    check_images(IMAGES, LABELS, 3)
    check_images(IMAGES, LABELS.int())
    check_images(torch.zeros(2, 1, 3, 3).half(), LABELS[:2])
    check_images(IMAGES[:0], LABELS[:0], 3)


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (IMAGES[0], LABELS, r"images: expected shape \(N, C, H, W\), not \(3, 5, 5\)"),
        ((IMAGES * 255).byte(), LABELS, r"images: expected floats in \[0, 1\], not torch.uint8; divide bytes by 255"),
        (IMAGES, LABELS[:3], r"labels: expected shape \(4,\) as there are images, not \(3,\)"),
        (IMAGES, LABELS[:, None], r"labels: expected shape \(4,\) as there are images, not \(4, 1\)"),
        (IMAGES, LABELS.float(), r"labels: expected whole numbers \(int64\), not torch.float32"),
        (IMAGES, LABELS > 0, r"labels: expected whole numbers \(int64\), not torch.bool"),
        (IMAGES * 255, LABELS, r"images: expected values in \[0, 1\], found .* to 2.*Normalized"),
        (IMAGES - 1.5, LABELS, r"images: expected values in \[0, 1\], found -1"),
        (torch.where(IMAGES > 0.5, torch.nan, IMAGES), LABELS, r"images: expected values in \[0, 1\], found nan"),
        (IMAGES + torch.inf, LABELS, r"images: expected values in \[0, 1\], found inf to inf"),
        (IMAGES, LABELS - 1, "labels: expected 0 to 2, found -1"),
        (IMAGES, LABELS + 1, "labels: expected 0 to 2, found 3"),
    ],
)
def test_bad_images_and_labels_are_refused(images: torch.Tensor, labels: torch.Tensor, message: str) -> None:
    with pytest.raises(DataError, match=message):
        check_images(images, labels, 3)


def test_negative_labels_are_refused_where_the_classes_are_unknown() -> None:
    with pytest.raises(DataError, match="labels: expected 0 or more, found -1"):
        check_images(IMAGES, LABELS - 1)


def test_tensors_of_one_s_own_become_a_data_set() -> None:
    images, labels = torch.rand(6, 3, 5, 4), torch.tensor([0, 2, 1, 0, 2, 1], dtype=torch.int32)
    found = from_tensors(images, labels)
    assert (found.classes, found.class_names, found.input_shape) == (3, ("0", "1", "2"), (3, 5, 4))
    assert found.ids.tolist() == list(range(6))
    back, numbers = found.tensors()
    assert (back - images).abs().max() <= 0.5 / 255 + 1e-6
    assert numbers.dtype == torch.int64
    assert numbers.tolist() == labels.tolist()
    assert torch.equal(from_tensors(back, numbers).images, found.images), "bytes come back as they were"


def test_the_fingerprint_of_tensors_is_of_images_and_labels() -> None:
    images, labels = torch.rand(3, 1, 2, 2), torch.tensor([0, 1, 1])
    same, others = from_tensors(images.clone(), labels.clone()), [(1 - images, labels), (images, 1 - labels)]
    assert from_tensors(images, labels).fingerprint == same.fingerprint
    assert all(from_tensors(*other).fingerprint != same.fingerprint for other in others)


@pytest.mark.parametrize(
    ("images", "labels", "names", "message"),
    [
        (IMAGES * 255, LABELS, None, "expected values in"),
        (IMAGES, LABELS[:2], None, "labels: expected shape"),
        (IMAGES, LABELS, ("a", "b"), "labels: expected 0 to 1, found 2"),
        (IMAGES, LABELS - 1, None, "labels: expected 0 to 1, found -1"),
        (IMAGES, LABELS.float(), None, "labels: expected whole numbers"),
    ],
)
def test_tensors_that_are_no_data_set_are_refused(
    images: torch.Tensor, labels: torch.Tensor, names: tuple[str, ...] | None, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        from_tensors(images, labels, names)

"""Adversarial training: the loss by hand, radii by their distribution, and what it must leave alone."""

from __future__ import annotations

import copy
import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from brinell.analysis import mcnemar
from brinell.attacks import FGSM, PGD, run_trial
from brinell.compressors import INQ, XNORNet
from brinell.compressors import compressor as compressor_module
from brinell.core import ConfigurationError
from brinell.data import Dataset, build
from brinell.models import ResNet8
from brinell.training import Adversarial, Batch, Batches, Train, accuracy, checkpoint_intervals, fit
from brinell.variants import Variant

EPSILON = 0.1
FIXED = Adversarial(epsilon=EPSILON, epsilon_rule="fixed")


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return build("digits", examples=200)


@pytest.fixture(scope="module")
def trained(digits: Dataset) -> nn.Module:
    module = ResNet8(width=4).module()
    fit(module, digits, Train(epochs=8, batch_size=32, learning_rate=0.1), seed=0)
    return module


def first_batch(data: Dataset, size: int = 64) -> Batch:
    return next(Batches(data, Train(batch_size=200), 0).epoch(0)).part(slice(0, size))


def linear() -> nn.Module:
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    generator = torch.Generator().manual_seed(0)
    module[1].weight.data = torch.randn(10, 64, generator=generator)
    return module


def fgsm(module: nn.Module, images: Tensor, labels: Tensor | None, epsilon: float) -> Tensor:
    """Written out once more."""
    inputs = images.clone().requires_grad_()
    logits = module(inputs)
    labels = logits.argmax(1) if labels is None else labels
    F.cross_entropy(logits, labels).backward()
    assert inputs.grad is not None
    return (images + epsilon * inputs.grad.sign()).clamp(0, 1)


# The loss


@pytest.mark.parametrize(("fraction", "count"), [(0.5, 32), (0.25, 16), (1.0, 64), (0.001, 0)])
@pytest.mark.parametrize("weight", [0.3, 2.0])
def test_the_loss_is_kurakins(fraction: float, count: int, weight: float, digits: Dataset) -> None:
    module, batch = linear(), first_batch(digits)._replace(epoch=3)
    setting = FIXED.model_copy(update={"fraction": fraction, "weight": weight})

    def loss(module: nn.Module, batch: Batch) -> Tensor:
        return F.cross_entropy(module(batch.images), batch.labels)

    bad = fgsm(module, batch.images[:count], None, EPSILON)
    single = F.cross_entropy(module(torch.cat([bad, batch.images[count:]])), batch.labels, reduction="none")
    expected = (single[count:].sum() + weight * single[:count].sum()) / (64 - count + weight * count)
    torch.testing.assert_close(setting.mixed(loss, module, 0)(module, batch), expected)


def test_one_step_of_training_is_the_formula(digits: Dataset) -> None:
    module = linear()
    expected = copy.deepcopy(module)
    train = Train(epochs=1, batch_size=200, learning_rate=0.5, momentum=0, weight_decay=0, adversarial=FIXED)
    batch = next(Batches(digits, train, 0).epoch(0))
    bad = fgsm(module, batch.images[:100], None, EPSILON)
    single = F.cross_entropy(expected(torch.cat([bad, batch.images[100:]])), batch.labels, reduction="none")
    ((single[100:].sum() + 0.3 * single[:100].sum()) / (100 + 0.3 * 100)).backward()
    fit(module, digits, train, seed=0)
    for parameter, before in zip(module.parameters(), expected.parameters(), strict=True):
        assert before.grad is not None
        torch.testing.assert_close(parameter, before - 0.5 * before.grad)


def test_a_loss_of_ones_own_is_asked_about_each_part_and_the_network_once(digits: Dataset) -> None:
    calls: list[int] = []
    asked: list[tuple[int, bool]] = []
    module, batch = linear(), first_batch(digits)
    module[1].register_forward_hook(lambda layer, given, out: calls.append(len(out)) if out.requires_grad else None)

    def loss(module: nn.Module, part: Batch) -> Tensor:
        asked.append((len(part.ids), torch.equal(part.images, batch.images[: len(part.ids)])))
        return (module(part.images) ** 2).mean()

    FIXED.model_copy(update={"fraction": 0.25}).mixed(loss, module, 0)(module, batch)
    assert [count for count, _ in asked] == [16, 48]
    assert asked[0] == (16, False)  # what is new is in the batch, too
    assert calls == [16, 64]  # to make them, and to learn from all


# The examples


def test_one_step_is_the_attack_of_that_name(trained: nn.Module, digits: Dataset) -> None:
    images, labels = digits.tensors()
    batch = Batch(images, labels, digits.ids, 0, 0)
    for label in ("true", "predicted"):
        ours = FIXED.model_copy(update={"label": label}).examples(trained, batch, 0)
        result = run_trial(trained, trained, images, labels, digits.ids, FGSM(epsilon=EPSILON, label=label), seed=0)
        with torch.no_grad():
            theirs = result.rows["prediction"]
            assert torch.equal(trained(ours).argmax(1), torch.as_tensor(theirs, dtype=torch.int64))


def test_the_predicted_label_leaks_nothing(trained: nn.Module, digits: Dataset) -> None:
    batch = first_batch(digits)
    other = batch._replace(labels=(batch.labels + 1) % 10)
    for label, equal in (("predicted", True), ("true", False)):
        for steps in (1, 3):
            setting = FIXED.model_copy(update={"label": label, "steps": steps, "random_start": steps > 1})
            made = [setting.examples(trained, given, 0) for given in (batch, other)]
            assert torch.equal(*made) == equal


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("steps", [1, 4])
@pytest.mark.parametrize("random_start", [False, True])
def test_examples_are_in_ball_and_box_and_raise_the_loss(
    norm: str, steps: int, random_start: bool, trained: nn.Module, digits: Dataset
) -> None:
    batch = first_batch(digits)
    setting = Adversarial(epsilon=0.3, norm=norm, steps=steps, random_start=random_start, label="true")
    bad = setting.examples(trained, batch, 0)
    radius = setting.radii(batch.ids, 0, 0)
    assert bad.min() >= 0
    assert bad.max() <= 1
    size = (bad - batch.images).flatten(1)
    length = size.abs().amax(1) if norm == "linf" else size.norm(dim=1)
    assert (length <= 0.3 + 1e-6).all()
    assert length.unique().numel() > 1 or radius.unique().numel() == 1
    with torch.no_grad():
        before, after = (F.cross_entropy(trained(images), batch.labels) for images in (batch.images, bad))
    assert after > before


def test_more_steps_are_worse_than_one(trained: nn.Module, digits: Dataset) -> None:
    batch = first_batch(digits, 200)
    one, ten = (FIXED.model_copy(update={"steps": steps, "label": "true"}) for steps in (1, 10))
    losses = [F.cross_entropy(trained(setting.examples(trained, batch, 0)), batch.labels) for setting in (one, ten)]
    assert losses[1] > losses[0]


# The radii


def test_radii_are_half_normal_and_truncated() -> None:
    ids = torch.arange(200_000)
    radii = Adversarial(epsilon=0.2).radii(ids, 0, 0).double()
    assert radii.min() >= 0
    assert radii.max() <= 0.2
    inside = math.erf(math.sqrt(2))
    for share in (0.1, 0.25, 0.5, 0.75, 0.9):
        # P(|N(0, 0.1)| <= r given that it is <= 0.2) = erf(r / (0.1 sqrt 2)) / erf(sqrt 2)
        found = float((radii <= radii.quantile(share)).double().mean())
        expected = math.erf(float(radii.quantile(share)) / (0.1 * math.sqrt(2))) / inside
        assert found == pytest.approx(expected, abs=0.004)  # three standard errors and a half
    mean = 0.1 * math.sqrt(2 / math.pi) * (1 - math.exp(-2)) / inside
    assert float(radii.mean()) == pytest.approx(mean, rel=0.004)


def test_a_radius_belongs_to_an_example_and_an_epoch() -> None:
    setting, ids = Adversarial(), torch.arange(50)
    radii = setting.radii(ids, 0, 4)
    assert torch.equal(setting.radii(ids.flip(0), 0, 4).flip(0), radii)
    assert torch.equal(setting.radii(ids[7:8], 0, 4), radii[7:8])
    assert not torch.equal(setting.radii(ids, 0, 5), radii)
    assert not torch.equal(setting.radii(ids, 1, 4), radii)
    assert torch.equal(FIXED.radii(ids, 0, 4), torch.full((50,), EPSILON))


# What it leaves alone


def test_making_them_changes_nothing_of_the_network(trained: nn.Module, digits: Dataset) -> None:
    module = copy.deepcopy(trained).train()
    module.model.conv1.requires_grad_(False)
    before, state = copy.deepcopy(module.state_dict()), torch.get_rng_state()
    Adversarial(steps=3, random_start=True).examples(module, first_batch(digits), 0)
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())
    assert all(part.training for part in module.modules())
    assert all(parameter.grad is None for parameter in module.parameters())
    assert [name for name, parameter in module.named_parameters() if not parameter.requires_grad] == [
        "model.conv1.weight"
    ]
    assert torch.equal(torch.get_rng_state(), state)


def test_batch_norm_sees_clean_and_adversarial_examples_as_one_batch(digits: Dataset) -> None:
    module = nn.Sequential(nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(64, 10))
    module[2].load_state_dict(linear()[1].state_dict())
    start = copy.deepcopy(module).eval()
    train = Train(epochs=1, batch_size=200, adversarial=FIXED)
    batch = next(Batches(digits, train, 0).epoch(0))
    seen = torch.cat([fgsm(start, batch.images[:100], None, EPSILON), batch.images[100:]])
    fit(module, digits, train, seed=0)
    assert int(module[0].num_batches_tracked) == 1
    torch.testing.assert_close(module[0].running_mean, 0.1 * seen.mean().view(1))


def test_it_stays_out_of_the_key_where_it_is_not_used() -> None:
    assert "adversarial" not in Train().identity()
    assert Train(adversarial=FIXED).key != Train().key
    read = Train.parse({"adversarial": {"epsilon": "4/255", "steps": 7}})
    assert read.adversarial == Adversarial(epsilon=4 / 255, steps=7)
    assert Train.parse(read.config()) == read


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"fraction": 0}, r"train\.adversarial\.fraction: input should be greater than 0"),
        ({"weight": 0}, r"train\.adversarial\.weight: input should be greater than 0"),
        ({"epsilon": -1}, r"train\.adversarial\.epsilon: input should be greater than or equal to 0"),
        ({"step": 3}, r"train\.adversarial\.step: unknown key; did you mean 'steps'\?"),
    ],
)
def test_bad_settings_are_refused_by_name(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Train.parse({"adversarial": fields}, "train")


# Training


def test_it_hardens(digits: Dataset) -> None:
    attack = PGD(epsilon=EPSILON, steps=5)
    images, labels = digits.tensors()
    found = []
    for adversarial in (None, Adversarial(epsilon=EPSILON, weight=1.0)):
        module = ResNet8(width=8).module()
        train = Train(epochs=15, batch_size=50, learning_rate=0.1, schedule="one_cycle", adversarial=adversarial)
        fit(module, digits, train, seed=0)
        rows = run_trial(module, module, images, labels, digits.ids, attack, seed=0).rows
        found.append((accuracy(module, digits), torch.as_tensor(rows["prediction"]) == labels))
    (clean, plain), (still_clean, hardened) = found
    assert min(clean, still_clean) > 0.95
    assert mcnemar(int((hardened & ~plain).sum()), int((plain & ~hardened).sum())) < 0.001
    assert int(hardened.sum()) > int(plain.sum())


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_a_killed_run_ends_the_same(precision: str, digits: Dataset, tmp_path: Path) -> None:
    setting = Adversarial(steps=2, random_start=True)
    train = Train(epochs=2, batch_size=32, augment="crop_flip", precision=precision, adversarial=setting)
    whole, left = ResNet8(width=4).module(), 9
    fit(whole, digits, train, seed=0)

    def kill(label: str, done: float, total: float) -> None:
        nonlocal left
        left -= 1
        if not left:
            raise KeyboardInterrupt

    parts = ResNet8(width=4).module()
    with pytest.raises(KeyboardInterrupt), checkpoint_intervals():
        fit(parts, digits, train, seed=0, checkpoint=tmp_path, progress=kill)
    parts = ResNet8(width=4).module()
    fit(parts, digits, train, seed=0, checkpoint=tmp_path)
    assert all(torch.equal(tensor, parts.state_dict()[name]) for name, tensor in whole.state_dict().items())


@pytest.mark.parametrize("compressor", [INQ(shares=(0.5, 1)), XNORNet()], ids=["inq", "xnor_net"])
def test_every_compressor_can_be_given_it(
    compressor: INQ | XNORNet, trained: nn.Module, digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compressor_module, "check_result", lambda *_, **__: None)  # one epoch teaches XNOR-Net little
    variant = Variant.of(trained, input_shape=(1, 8, 8), classes=10)
    train = Train(epochs=1, batch_size=50, learning_rate=0.01, adversarial=FIXED)
    children = [
        type(compressor).parse({**compressor.config(), "train": settings}).compress(variant, digits, seed=0)
        for settings in (train, train.model_copy(update={"adversarial": None}))
    ]
    assert any(not torch.equal(tensor, children[1].tensors[name]) for name, tensor in children[0].tensors.items())

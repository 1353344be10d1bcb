"""What is remarked of a network at the first look: figures of it are no image's own, or its scores are no logits."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import brinell
from brinell.attacks import FGSM, PGD, BrinellWarning
from brinell.attacks.harness.network_check import check_network
from brinell.core import DataError, ModelError
from runtimes import networks
from zoo import ZOO, OddNetwork, evaluated, images_for

IMAGES = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * torch.tensor([0.3, 0.5, 0.7, 1]).view(
    4, 1, 1, 1
)
OF_A_BATCH = {
    "batch norm without running statistics",
    "batch norm that stays in training",
    "errors that are handled",  # it divides by the largest number of all images
}


class Before(nn.Module):
    """A network behind a function of the batch."""

    def __init__(self, function: Callable[[Tensor], Tensor], after: Callable[[Tensor], Tensor] = lambda x: x) -> None:
        super().__init__()
        self.function, self.after = function, after
        torch.manual_seed(0)
        self.network = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))

    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.network(self.function(x)))


@pytest.mark.parametrize(
    "function",
    [
        lambda x: (x - x.mean()) / x.std(),
        lambda x: x - x.mean(0),
        lambda x: x / x.sum(0),
        lambda x: x.softmax(0),
        lambda x: x / x.amax(),
        lambda x: x.flip(0),
    ],
    ids=["standardised", "centred", "scaled", "softmax", "divided by the largest", "in another order"],
)
def test_logits_that_depend_on_other_images_are_remarked(function: Callable[[Tensor], Tensor]) -> None:
    (remark,) = check_network(Before(function).eval(), IMAGES).remarks
    assert "each image's logits depend on the others of its batch" in remark


def test_images_of_one_brightness_do_not_hide_what_is_taken_of_all() -> None:
    images = IMAGES / IMAGES.amax((1, 2, 3), keepdim=True)
    (remark,) = check_network(Before(lambda x: x / x.amax()).eval(), images).remarks
    assert "each image's logits depend on the others of its batch" in remark


def test_an_attack_warns_of_them() -> None:
    network = Before(lambda x: (x - x.mean()) / x.std()).eval()
    with pytest.warns(BrinellWarning, match="depend on the others of its batch"):
        outcome = brinell.attack(network, IMAGES, torch.zeros(4, dtype=torch.int64), FGSM(epsilon=0.1))
    assert any("others of its batch" in warning for warning in outcome.warnings)


WORKING = [odd for odd in ZOO if odd.refused is None]


@pytest.mark.parametrize("odd", WORKING, ids=lambda odd: odd.name)
def test_no_other_network_is_remarked(odd: OddNetwork) -> None:
    remarks = check_network(evaluated(odd.make()[0]), images_for(odd).float()[:4]).remarks
    assert bool(remarks) is (odd.name in OF_A_BATCH)


@pytest.mark.parametrize(
    "variant", [networks.resnet8(), networks.xnor(), networks.abc(3, 2)], ids=["float", "xnor", "abc"]
)
def test_variants_are_not_remarked(variant: brinell.variants.Variant) -> None:
    assert check_network(variant.deployed(), IMAGES).remarks == ()


class Counting(Before):
    """Its logits depend on how often it was called."""

    def forward(self, x: Tensor) -> Tensor:
        self.calls = getattr(self, "calls", 0) + 1
        logits: Tensor = super().forward(x) * (1 + 0.01 * self.calls)
        return logits


class OwnGenerator(Before):
    def forward(self, x: Tensor) -> Tensor:
        self.generator = getattr(self, "generator", None) or torch.Generator().manual_seed(0)
        logits: Tensor = super().forward(x + torch.rand(x.shape, generator=self.generator) / 10)
        return logits


@pytest.mark.parametrize("kind", [Counting, OwnGenerator])
def test_logits_that_change_from_call_to_call_are_remarked(kind: type[Before]) -> None:
    (remark,) = check_network(kind(lambda x: x), IMAGES).remarks
    assert "other logits at a second call" in remark


def test_scores_behind_a_sigmoid_are_remarked() -> None:
    (remark,) = check_network(Before(lambda x: x, torch.sigmoid), IMAGES).remarks
    assert "as those behind a sigmoid do" in remark
    assert check_network(Before(lambda x: x, torch.tanh), IMAGES).remarks == ()


def test_scores_behind_a_saturated_tanh_are_remarked() -> None:
    (remark,) = check_network(Before(lambda x: x, lambda x: (20 * x).tanh()), IMAGES).remarks
    assert "as those behind a tanh do" in remark


def test_one_score_is_refused() -> None:
    with pytest.raises(ModelError, match=r"two classes or more, not 1; of one score return two"):
        check_network(Before(lambda x: x, lambda x: x[:, :1]), IMAGES)


class WarmsUp(Before):
    """Another network after twenty calls."""

    calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        logits: Tensor = super().forward(x)
        return logits if self.calls <= 20 else -logits


def test_logits_that_change_in_the_course_of_an_attack_are_remarked() -> None:
    network = WarmsUp(lambda x: x).eval()
    labels = network(IMAGES).argmax(1)
    with pytest.warns(BrinellWarning, match="other logits after the attack than before it"):
        brinell.attack(network, IMAGES, labels, PGD(epsilon=0.05, steps=40, early_stop=False))


def test_sparse_logits_and_images_without_values_are_refused() -> None:
    with pytest.raises(ModelError, match=r"not torch\.sparse_coo \(a dense tensor is accepted\)"):
        check_network(Before(lambda x: x, torch.Tensor.to_sparse), IMAGES)
    labels = torch.zeros(4, dtype=torch.int64)
    for images, found in ((IMAGES.to_sparse(), r"layout torch\.sparse_coo"), (IMAGES.to("meta"), "device meta")):
        with pytest.raises(DataError, match=f"images: expected a dense tensor, not one .*{found}"):
            brinell.attack(Before(lambda x: x), images, labels, FGSM(epsilon=0.1))

"""Gradients that are not the derivative of the logits are remarked, and those that are, never."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import Tensor, nn

import brinell
from brinell.attacks import FGSM, PGD, BrinellWarning, FrozenNetwork
from brinell.attacks.harness.oracle import isolated_evaluation
from brinell.compressors import Int8
from brinell.data import Dataset
from brinell.variants import Variant
from runtimes import networks
from zoo import ZOO, OddNetwork, images_for

CPU = torch.device("cpu")
REMARK = "not the derivative of its logits"
OWN_BACKWARD = {
    "backward hook",
    "backward pre-hook",
    "hook on a tensor",
    "guided backpropagation",
    "straight-through sign",
    "gradient reversal",
    "gradient of a part by a function",
    "detached in part",
    "no_grad in part",
}


def remarks_of(network: nn.Module, images: Tensor) -> tuple[str, ...]:
    frozen = FrozenNetwork(network, CPU)
    with isolated_evaluation(0, frozen), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what PyTorch thinks of the network
        frozen.form("gradients", images)
    return frozen.remarks


@pytest.mark.parametrize("odd", [odd for odd in ZOO if odd.refused is None and odd.gradient], ids=lambda odd: odd.name)
def test_networks_with_a_backward_pass_of_their_own_are_remarked(odd: OddNetwork) -> None:
    found = [remark for remark in remarks_of(odd.make()[0], images_for(odd).float()) if REMARK in remark]
    assert bool(found) is (odd.name in OWN_BACKWARD)


@pytest.mark.parametrize(
    "variant", [networks.resnet8(), networks.xnor(), networks.abc(3, 2)], ids=["float", "xnor", "abc"]
)
def test_gradients_of_variants_are_not_remarked(variant: Variant) -> None:
    assert remarks_of(variant.view(), networks.images(4)) == ()


def test_the_gradient_of_an_int8_network_is_not_remarked(digits: tuple[Dataset, Dataset]) -> None:
    int8 = Int8(calibration_examples=32).compress(networks.resnet8(), digits[0], seed=0)
    assert remarks_of(int8.view(), digits[1].tensors()[0][:4]) == ()


class OtherWithGradients(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.network(x.flip(3) if x.requires_grad else x)
        return logits


def test_other_logits_where_a_gradient_is_asked_for_are_remarked() -> None:
    (remark,) = remarks_of(OtherWithGradients().eval(), networks.images(4))
    assert "other logits where a gradient is asked for" in remark


def test_an_attack_warns_of_them() -> None:
    (odd,) = [odd for odd in ZOO if odd.name == "detached in part"]
    network, images = odd.make()[0], images_for(odd)
    labels = network(images).argmax(1)
    with pytest.warns(BrinellWarning, match=REMARK):
        outcome = brinell.attack(network, images, labels, PGD(epsilon=0.05, steps=2))
    assert any(REMARK in warning for warning in outcome.warnings)


def test_a_network_that_was_given_a_hook_on_all_modules_is_compared_anew() -> None:
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10)).eval()
    images = networks.images(6)
    labels = network(images).argmax(1)
    outcome = brinell.attack(network, images, labels, FGSM(epsilon=0.1))
    assert outcome.computation.forms["gradients"] == "folded, channels-last"
    hook = nn.modules.module.register_module_forward_hook(
        lambda module, args, out: out * 2 if isinstance(module, nn.BatchNorm2d) else None
    )
    try:
        expected = network(images).argmax(1)
        outcome = brinell.attack(network, images, expected, FGSM(epsilon=0.1))
        assert outcome.clean_accuracy == 1
        assert "folded" not in outcome.computation.forms["gradients"]
    finally:
        hook.remove()

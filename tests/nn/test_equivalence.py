"""The comparison of forms: rounding passes, everything else is found, also in networks of signs."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from brinell.models import build
from brinell.nn import (
    BinaryConv2d,
    comparison_images,
    describe_bfloat16_difference,
    describe_difference,
    fold_batch_norms,
    relative_difference,
    respond,
    threshold_binary,
)
from brinell.variants import BinaryLayers
from nn.stirred import stir


def network(*, binary: bool = False) -> nn.Module:
    """ResNet-8 with statistics such as training leaves."""
    torch.manual_seed(0)
    module = build("resnet8")
    if binary:
        layers = tuple(name for name, _ in module.named_modules() if name.endswith(("conv1", "conv2")))[1:]
        BinaryLayers(layers=layers).apply(module, latent=False)
    return stir(module).requires_grad_(False)


IMAGES = comparison_images(torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0)))


def test_images_are_those_of_the_request_with_noise_in_the_box() -> None:
    grey = torch.full((2, 3, 5, 5), 0.5)
    mixed = comparison_images(grey)
    assert mixed.shape == (4, 3, 5, 5)
    assert 0 <= float(mixed.min()) < float(mixed.max()) <= 1
    distances = (mixed - grey[:1]).abs().amax((1, 2, 3))
    assert (distances[1:] > distances[:-1]).all(), "each has more noise than the one before"
    assert distances[0] < 0.02
    assert torch.equal(mixed, comparison_images(grey))


@pytest.mark.parametrize("binary", [False, True], ids=["float", "binary"])
def test_folding_and_thresholds_compute_the_same(binary: bool) -> None:
    module = network(binary=binary)
    assert describe_difference(fold_batch_norms(module), module, IMAGES, gradients=True) is None
    if binary:
        assert describe_difference(threshold_binary(module), module, IMAGES) is None


@pytest.mark.parametrize("binary", [False, True], ids=["float", "binary"])
def test_one_weight_off_by_a_percent_is_found(binary: bool) -> None:
    module = network(binary=binary)
    other = copy.deepcopy(module)
    next(part for part in other.modules() if isinstance(part, nn.Linear)).weight.data[0] *= 1.01
    found = describe_difference(other, module, IMAGES)
    assert found is not None
    assert "logits differ from the network's on 4 of 4 images" in found


def test_one_channel_less_is_found_in_a_network_of_signs() -> None:
    module = network(binary=True)
    other = copy.deepcopy(module)
    for layer in other.modules():
        if isinstance(layer, BinaryConv2d):
            layer.scale[1] = 0
    assert describe_difference(other, module, IMAGES) is not None


class _Reversed(torch.autograd.Function):
    @staticmethod
    def forward(context: object, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(context: object, gradient: Tensor) -> Tensor:
        return gradient * 1.05


def test_another_gradient_of_the_same_logits_is_found() -> None:
    module = network()

    def other(images: Tensor) -> Tensor:
        return module(_Reversed.apply(images))

    assert describe_difference(other, module, IMAGES) is None
    assert (
        describe_difference(other, module, IMAGES, gradients=True)
        == "its gradient differs from the network's on 4 of 4 images"
    )


def test_what_raises_or_has_another_shape_is_another_function() -> None:
    module = network()

    def fails(images: Tensor) -> Tensor:
        raise RuntimeError("no  such\nthing")

    assert describe_difference(fails, module, IMAGES) == "it cannot be computed: RuntimeError: no such thing"
    found = describe_difference(lambda images: module(images)[:, :3], module, IMAGES)
    assert found == "its logits are (4, 3), the network's (4, 10)"


def test_random_numbers_are_the_same_for_both_and_given_back() -> None:
    noisy = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(64, 3)).train()
    state = torch.get_rng_state()
    assert describe_difference(noisy, noisy, IMAGES, gradients=True) is None
    assert torch.equal(torch.get_rng_state(), state)


class _Steps(nn.Module):
    """Signs of pixels: its logits jump, and have no gradient."""

    def forward(self, images: Tensor) -> Tensor:
        return torch.sign(images.flatten(1)[:, :40] - 0.5) @ torch.linspace(-1, 1, 120).view(40, 3)


def test_a_step_moved_by_less_than_rounding_is_the_same_and_by_more_is_not() -> None:
    steps = _Steps()
    assert describe_difference(lambda images: steps(images + 1e-8), steps, IMAGES) is None
    assert describe_difference(lambda images: steps(images + 0.1), steps, IMAGES) is not None


def test_float64_decides_where_signs_turn_on_most_images() -> None:
    """Thresholds at the images' own values: any rounding turns signs of every image, in float32 only."""
    at = IMAGES.flatten(1).double()

    def steps(images: Tensor) -> Tensor:
        flat = images.flatten(1)
        return torch.sign(flat - at.to(flat)) @ torch.linspace(-1, 1, 192, dtype=flat.dtype).view(64, 3)

    def moved(images: Tensor) -> Tensor:
        return steps(images * (1 + (1e-7 if images.dtype == torch.float32 else 0)))

    assert describe_difference(moved, steps, IMAGES) is not None
    assert describe_difference(moved, steps, IMAGES, in_double=lambda: (moved, steps)) is None


def test_coarse_forms_may_be_off_by_percents_but_not_by_tens() -> None:
    module = network()
    expected = respond(module, IMAGES, gradients=True)
    with_noise = [lambda images, size=size: module(images) * (1 + size) for size in (0.01, 0.2)]
    assert describe_bfloat16_difference(with_noise[0], IMAGES, expected) is None
    assert describe_bfloat16_difference(with_noise[1], IMAGES, expected) == "rounding changes the logits by up to 21%"


def test_relative_difference_is_a_share_of_the_spread() -> None:
    expected = torch.tensor([[101.0, 99.0], [103.0, 97.0]])
    assert relative_difference(expected + torch.tensor([[0.1, -0.1], [0.3, -0.3]]), expected) == pytest.approx(
        0.1, rel=1e-3
    )

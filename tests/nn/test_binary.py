"""Signs, binary weights and binary convolutions against written formulas and integer arithmetic."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from brinell.nn import SURROGATES, BinaryConv2d, LatentBinaryConv2d, WeightGradient, deploy, sign, xnor_weight


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_sign_has_two_values_and_zero_is_positive() -> None:
    x = torch.tensor([-2.0, -1e-30, -0.0, 0.0, 1e-30, 2.0])
    assert sign(x).tolist() == [-1, -1, 1, 1, 1, 1]
    assert sign(x.half()).dtype == torch.float16


@pytest.mark.parametrize(
    ("surrogate", "derivative"),
    [
        ("clip", [0, 0, 1, 1, 0, 0]),
        ("identity", [1, 1, 1, 1, 1, 1]),
        ("wide", [1 / 3, 1 / 3, 1 / 3, 1 / 3, 1 / 3, 0]),
        ("polynomial", [0, 0, 1, 2, 0, 0]),
        ("tanh", [0.070651, 0.419974, 0.786448, 1, 0.070651, 0.000670]),
    ],
)
def test_the_surrogate_stands_in_for_the_derivative(surrogate: str, derivative: list[float]) -> None:
    expected = torch.tensor(derivative, dtype=torch.float32)
    x = torch.tensor([-2.0, -1.0, -0.5, 0.0, 2.0, 4.35], requires_grad=True)
    (gradient,) = torch.autograd.grad(sign(x, surrogate), x, torch.full((6,), 3.0))
    assert torch.allclose(gradient, 3 * expected, atol=1e-4)


def test_every_surrogate_is_tested() -> None:
    assert set(SURROGATES) == {"clip", "identity", "wide", "polynomial", "tanh"}


def test_bits_and_scale_are_the_best_one_bit_approximation() -> None:
    weight = random(4, 3, 3, 3)
    bits, scale = xnor_weight(weight)
    assert set(bits.unique().tolist()) == {-1, 1}
    error = (weight - scale.view(-1, 1, 1, 1) * bits).square().sum((1, 2, 3))
    for filter_, best in enumerate(error):
        for factor in (0.9, 0.99, 1.01, 1.1):
            assert (weight[filter_] - factor * scale[filter_] * bits[filter_]).square().sum() > best
        for cell in range(27):
            flipped = bits[filter_].clone()
            flipped.view(-1)[cell] *= -1
            assert (weight[filter_] - scale[filter_] * flipped).square().sum() >= best


@pytest.mark.parametrize("rule", ["product", "paper", "clip"])
def test_the_gradient_rules_are_the_written_ones(rule: WeightGradient) -> None:
    weight, upstream = random(2, 3, 3, 3).requires_grad_(), random(2, 3, 3, 3, seed=1)
    bits, scale = xnor_weight(weight, rule)
    (found,) = torch.autograd.grad((scale.view(-1, 1, 1, 1) * bits * upstream).sum(), weight)
    for filter_ in range(2):
        w, g = weight.detach()[filter_].flatten().tolist(), upstream[filter_].flatten().tolist()
        n, alpha = len(w), sum(map(abs, w)) / len(w)
        both = sum(a * (1 if b >= 0 else -1) for a, b in zip(g, w, strict=True))
        for i, value in enumerate(w):
            inside = abs(value) <= 1
            expected = {
                "product": g[i] * alpha * inside + (1 if value >= 0 else -1) / n * both,
                "paper": g[i] * (alpha * inside + 1 / n),
                "clip": g[i] * inside,
            }[rule]
            assert float(found[filter_].flatten()[i]) == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_a_filter_of_zeros_has_finite_gradients() -> None:
    for rule in get_args(WeightGradient):
        weight = torch.zeros(1, 2, 3, 3, requires_grad=True)
        bits, scale = xnor_weight(weight, rule)
        (scale.view(-1, 1, 1, 1) * bits).sum().backward()
        assert weight.grad is not None
        assert weight.grad.isfinite().all()


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_the_gradient_is_that_of_the_written_product(seed: int) -> None:
    weight = (2 * random(4, 3, 3, 3, seed=seed)).requires_grad_()
    upstream = random(4, 3, 3, 3, seed=seed + 1)
    bits, scale = xnor_weight(weight)
    (found,) = torch.autograd.grad((scale.view(-1, 1, 1, 1) * bits * upstream).sum(), weight)
    explicit = weight.abs().mean((1, 2, 3), keepdim=True) * sign(weight, "clip")
    (expected,) = torch.autograd.grad((explicit * upstream).sum(), weight)
    assert torch.allclose(found, expected, atol=1e-6)
    alpha = weight.detach().abs().mean((1, 2, 3), keepdim=True)
    inside = (weight.detach().abs() <= 1).float()
    shared = (upstream * sign(weight.detach())).sum((1, 2, 3), keepdim=True) / 27
    written = upstream * alpha * inside + shared * sign(weight.detach())
    assert torch.allclose(found, written, atol=1e-6)


def popcount_convolution(x: Tensor, layer: BinaryConv2d) -> Tensor:
    """Integers only: XNOR and popcount over the cells of the window that lie inside the image."""
    (stride, _), (pad, _), (dilation, _) = (layer.options[name] for name in ("stride", "padding", "dilation"))
    groups, (tall, wide) = layer.options["groups"], layer.kernel_size
    bits_x, bits_w = x >= 0, layer.bits_and_scale()[0] > 0
    count, _, height, width = x.shape
    rows = (height + 2 * pad - dilation * (tall - 1) - 1) // stride + 1
    columns = (width + 2 * pad - dilation * (wide - 1) - 1) // stride + 1
    sums = torch.empty(count, layer.out_channels, rows, columns)
    share_in, share_out = layer.in_channels // groups, layer.out_channels // groups
    for n in range(count):
        for out in range(layer.out_channels):
            first = out // share_out * share_in
            for row in range(rows):
                for column in range(columns):
                    word_x = word_w = valid = 0
                    for channel in range(share_in):
                        for i in range(tall):
                            for j in range(wide):
                                y, z = row * stride - pad + i * dilation, column * stride - pad + j * dilation
                                if 0 <= y < height and 0 <= z < width:
                                    word_x = word_x << 1 | int(bits_x[n, first + channel, y, z])
                                    word_w = word_w << 1 | int(bits_w[out, channel, i, j])
                                    valid += 1
                    sums[n, out, row, column] = valid - 2 * (word_x ^ word_w).bit_count()
    return sums


@pytest.mark.parametrize(
    "like",
    [
        nn.Conv2d(3, 4, 3, padding=1, bias=False),
        nn.Conv2d(4, 6, 3, stride=2, padding=2, groups=2),
        nn.Conv2d(2, 3, (3, 2), dilation=2, padding=1),
        nn.Conv2d(4, 4, 3, padding=1, groups=4, bias=False),
        nn.Conv2d(5, 2, 1),
    ],
)
@pytest.mark.parametrize("latent", [False, True])
def test_a_binary_convolution_is_xnor_and_popcount_borders_included(like: nn.Conv2d, latent: bool) -> None:
    layer = LatentBinaryConv2d(like) if latent else LatentBinaryConv2d(like).deployed()
    layer.eval()
    layer.norm.running_mean.copy_(random(like.in_channels, seed=1))  # type: ignore[union-attr]
    x = random(2, like.in_channels, 6, 5, seed=2)
    normed = layer.norm(x)
    with torch.no_grad():
        found = layer(x)
        expected = popcount_convolution(normed, layer) * layer.bits_and_scale()[1].view(-1, 1, 1)
        if layer.bias is not None:
            expected = expected + layer.bias.view(-1, 1, 1)
    assert torch.equal(found, expected)


@pytest.mark.parametrize("groups", [1, 2])
def test_the_input_scale_is_the_mean_size_of_what_a_window_covers(groups: int) -> None:
    like = nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=groups)
    layer, bare = (LatentBinaryConv2d(like, input_scale=scaled).eval() for scaled in (True, False))
    x = random(2, 4, 7, 6)
    with torch.no_grad():
        found, sums = layer(x), bare(x) - bare.bias.view(-1, 1, 1)  # type: ignore[union-attr, operator]
        normed, bias = layer.norm(x), layer.bias.detach()  # type: ignore[union-attr]
    for n, out, row, column in ((0, 0, 0, 0), (1, 5, 3, 2), (0, 3, 1, 1)):
        first, share = out // (6 // groups) * (4 // groups), 4 // groups
        total = 0.0
        for channel in range(first, first + share):
            for i in range(3):
                for j in range(3):
                    y, z = 2 * row - 1 + i, 2 * column - 1 + j
                    total += abs(float(normed[n, channel, y, z])) if 0 <= y < 7 and 0 <= z < 6 else 0.0
        scaled = float(sums[n, out, row, column]) * total / (9 * share) + float(bias[out])
        assert float(found[n, out, row, column]) == pytest.approx(scaled, rel=1e-4, abs=1e-5)
    shipped = layer.deployed()
    assert shipped.input_scale
    assert torch.equal(shipped(x), found)


@pytest.mark.parametrize("bias", [False, True])
def test_what_ships_computes_what_was_trained(bias: bool) -> None:
    network = nn.Sequential(LatentBinaryConv2d(nn.Conv2d(3, 4, 3, padding=1, bias=bias)), nn.Flatten())
    network(random(8, 3, 6, 6))  # moves batch norm's statistics
    shipped = deploy(network)
    layer = shipped[0]
    assert type(layer) is BinaryConv2d
    assert set(layer.state_dict()) - {f"norm.{name}" for name in layer.norm.state_dict()} == (
        {"weight", "scale", "bias"} if bias else {"weight", "scale"}
    )
    assert set(layer.weight.unique().tolist()) == {-1, 1}
    assert torch.equal(shipped(random(2, 3, 6, 6, seed=1)), network.eval()(random(2, 3, 6, 6, seed=1)))


def test_shipping_leaves_the_network_and_the_global_random_state_alone() -> None:
    network = nn.Sequential(LatentBinaryConv2d(nn.Conv2d(3, 4, 3)), nn.BatchNorm2d(4)).train()
    state = torch.get_rng_state()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    shipped = deploy(network)
    assert torch.equal(torch.get_rng_state(), state)
    assert network.training
    assert not any(part.training for part in shipped.modules())
    assert type(network[0]) is LatentBinaryConv2d
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    with torch.no_grad():
        network[0].weight.fill_(1)
    assert not torch.equal(deploy(network)[0].weight, shipped[0].weight)


def test_deployment_keeps_the_surrogate() -> None:
    layer = LatentBinaryConv2d.of(nn.Conv2d(3, 4, 3))
    layer.surrogate = "tanh"
    assert layer.deployed().surrogate == "tanh"


def test_settling_centres_each_filter_over_its_channels_and_clips() -> None:
    layer = LatentBinaryConv2d(nn.Conv2d(3, 4, 3))
    with torch.no_grad():
        layer.weight.copy_(5 * random(4, 3, 3, 3))
    expected = (layer.weight - layer.weight.mean(1, keepdim=True)).clamp(-1, 1).detach()
    layer.settle()
    assert torch.equal(layer.weight, expected)
    assert layer.weight.abs().max() == 1


@pytest.mark.parametrize("like", [nn.Conv2d(1, 1, 2, padding="same"), nn.Conv2d(1, 1, 3, padding_mode="reflect")])
def test_paddings_without_an_integer_border_are_refused(like: nn.Conv2d) -> None:
    with pytest.raises(ValueError, match="pad with zeros"):
        BinaryConv2d(like)


def test_the_input_gradient_goes_through_norm_and_sign() -> None:
    layer = LatentBinaryConv2d(nn.Conv2d(2, 3, 3, padding=1)).deployed().eval()
    x = random(1, 2, 4, 4).requires_grad_()
    upstream = random(1, 3, 4, 4, seed=1)
    (found,) = torch.autograd.grad(layer(x), x, upstream)
    effective = layer.weight * layer.scale.view(-1, 1, 1, 1)
    back = torch.nn.grad.conv2d_input(x.shape, effective, upstream, padding=1)
    slope = 1 / (layer.norm.running_var + layer.norm.eps).sqrt()  # type: ignore[operator]
    inside = (layer.norm(x).abs() <= 1).float()
    assert torch.allclose(found, back * inside * slope.view(-1, 1, 1), atol=1e-6)

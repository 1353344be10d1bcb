"""ABC-Net's layers against the written M x N sum, and their gradients against the defined rules."""

from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from brinell.nn import SURROGATES, ABCConv2d, BinaryLayer, LatentABCConv2d, deploy, staircase
from brinell.nn.binary_layers.abc_net import bases, spread, weighted_sum


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


SHAPES = [
    nn.Conv2d(3, 4, 3, padding=1, bias=False),
    nn.Conv2d(4, 6, 3, stride=2, padding=2, groups=2),
    nn.Conv2d(2, 3, (3, 2), dilation=2, padding=1),
    nn.Conv2d(4, 4, 3, padding=1, groups=4, bias=False),
    nn.Conv2d(5, 2, 1),
]


def trained(like: nn.Conv2d, m: int, n: int, *, per_filter: bool = True) -> LatentABCConv2d:
    """A layer in evaluation mode whose tensors are nowhere special."""
    layer = LatentABCConv2d(like, m, n, per_filter=per_filter)
    with torch.no_grad():
        layer.weight.copy_(random(*layer.weight.shape, seed=1))
        layer.shifts.add_(0.3 * random(n, seed=2))
        layer.heights.copy_(random(n, seed=3))
    layer.norm.running_mean.copy_(random(like.in_channels, seed=4))  # type: ignore[union-attr]
    return layer.eval()


def written(layer: ABCConv2d, x: Tensor) -> Tensor:
    """The M x N sum of the paper's equation 10, in float64, one cell of the window after the other."""
    v, beta = layer.shifts.double(), layer.heights.double()
    stride, pad, dilation = (layer.options[name] for name in ("stride", "padding", "dilation"))
    total = torch.zeros(())
    for m, n in itertools.product(range(layer.weight_bases), range(layer.activation_bases)):
        step = 2.0 * (torch.clip(x.double() + v[n], 0, 1) >= 0.5) - 1
        padded = F.pad(step, (pad[1], pad[1], pad[0], pad[0]))  # by nothing at all: a padded cell is no bit
        sums = torch.zeros(())
        height = (padded.shape[2] - dilation[0] * (layer.kernel_size[0] - 1) - 1) // stride[0] + 1
        width = (padded.shape[3] - dilation[1] * (layer.kernel_size[1] - 1) - 1) // stride[1] + 1
        share_in, share_out = layer.weight_shape[1], layer.out_channels // layer.options["groups"]
        chosen = (torch.arange(layer.out_channels) // share_out * share_in)[:, None] + torch.arange(share_in)
        for i, j in itertools.product(*map(range, layer.kernel_size)):
            rows = slice(i * dilation[0], i * dilation[0] + stride[0] * (height - 1) + 1, stride[0])
            columns = slice(j * dilation[1], j * dilation[1] + stride[1] * (width - 1) + 1, stride[1])
            cells = padded[:, chosen, rows, columns]
            sums = sums + (cells * layer.bits[m, :, :, i, j].double()[:, :, None, None]).sum(2)
        total = total + layer.alphas[m].double().view(-1, 1, 1) * beta[n] * sums
    return total if layer.bias is None else total + layer.bias.double().view(-1, 1, 1)


@pytest.mark.parametrize("like", SHAPES)
@pytest.mark.parametrize(("m", "n"), [(1, 1), (3, 2), (2, 5)])
def test_one_convolution_is_the_sum_of_m_by_n_binary_ones_borders_included(like: nn.Conv2d, m: int, n: int) -> None:
    latent = trained(like, m, n)
    layer, x = latent.deployed(), random(2, like.in_channels, 6, 5, seed=5)
    with torch.no_grad():
        expected = written(layer, layer.norm(x))
        assert torch.allclose(layer(x).double(), expected, atol=1e-4)
        assert torch.equal(latent(x), layer(x))


def test_it_costs_one_convolution_whatever_m_and_n(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0
    convolve = F.conv2d

    def counted(*inputs: Tensor, **options: object) -> Tensor:
        nonlocal calls
        calls += 1
        return convolve(*inputs, **options)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr(F, "conv2d", counted)
    trained(SHAPES[0], 5, 5)(random(1, 3, 4, 4)).sum().backward()
    assert calls == 1


@pytest.mark.parametrize(("like", "per_filter"), [*[(like, True) for like in SHAPES], (SHAPES[0], False)])
def test_what_ships_is_bit_equal_to_what_was_trained(like: nn.Conv2d, per_filter: bool) -> None:
    network = nn.Sequential(trained(like, 3, 2, per_filter=per_filter), nn.ReLU()).train()
    network(random(8, like.in_channels, 6, 6))  # moves batch norm's statistics
    shipped = deploy(network)
    layer = shipped[0]
    assert type(layer) is ABCConv2d
    assert set(layer.bits.unique().tolist()) == {-1, 1}
    assert layer.alphas.shape == (3, like.out_channels if per_filter else 1)
    x = random(2, like.in_channels, 6, 6, seed=1)
    assert torch.equal(shipped(x), network.eval()(x))


def test_bits_do_not_depend_on_the_layout_of_the_weights() -> None:
    weight = random(8, 6, 3, 3)
    for one, other in zip(bases(weight, 3, True), bases(weight.to(memory_format=torch.channels_last), 3, True)):  # noqa: B905
        assert torch.equal(one, other)


@pytest.mark.parametrize(("count", "expected"), [(1, [0]), (2, [-1, 1]), (3, [-1, 0, 1]), (5, [-1, -0.5, 0, 0.5, 1])])
def test_the_shifts_of_the_weights_bases_are_the_papers(count: int, expected: list[float]) -> None:
    assert spread(count).tolist() == expected


@pytest.mark.parametrize("per_filter", [True, False])
@pytest.mark.parametrize("count", [1, 2, 4])
def test_bases_follow_their_definition_and_alphas_are_the_best(count: int, per_filter: bool) -> None:
    weight = 0.1 * random(4, 3, 3, 3) + 0.02
    bits, alphas = bases(weight, count, per_filter)
    rows = weight.flatten(1) if per_filter else weight.view(1, -1)
    for m, u in enumerate(spread(count).tolist()):
        shifted = rows - rows.mean(1, keepdim=True) + u * rows.std(1, correction=0, keepdim=True)
        assert torch.equal(bits[m].view(rows.shape), torch.where(shifted >= 0, 1.0, -1.0))
    for row in range(len(rows)):
        columns = bits.view(count, *rows.shape)[:, row].T
        best = torch.linalg.lstsq(columns.double(), rows[row].double()[:, None]).solution[:, 0]
        assert torch.allclose(alphas[:, row].double(), best, rtol=1e-4, atol=1e-6)


def test_equal_bases_share_what_one_would_have() -> None:
    """A filter of two values has the same signs under every shift between them; no alpha may be infinite."""
    weight = torch.where(random(2, 3, 3, 3) > 0, 1.0, -1.0)
    weight[:, 0, 0, 0], weight[:, 0, 0, 1] = 1, -1
    bits, alphas = bases(weight, 3, True)
    assert alphas.isfinite().all()
    assert torch.allclose(weighted_sum(bits, alphas), weight, atol=1e-2)
    assert bases(torch.zeros(1, 1, 1, 1), 2, True)[1].isfinite().all()


def test_one_base_of_centred_weights_is_xnor_nets() -> None:
    weight = random(4, 3, 3, 3)
    weight -= weight.mean((1, 2, 3), keepdim=True)
    bits, alphas = bases(weight, 1, True)
    assert torch.allclose(alphas[0], weight.abs().mean((1, 2, 3)), rtol=1e-5)
    assert torch.equal(bits[0], torch.where(weight >= 0, 1.0, -1.0))


def test_the_weights_gradient_passes_their_approximation_unchanged() -> None:
    layer, x = trained(SHAPES[0], 3, 2), random(2, 3, 5, 5, seed=5)
    upstream = random(2, 4, 5, 5, seed=6)
    (found,) = torch.autograd.grad(layer(x), layer.weight, upstream)
    inputs = staircase(layer.norm(x), layer.shifts, layer.heights).detach()
    expected = torch.nn.grad.conv2d_weight(inputs, layer.weight.shape, upstream, padding=1)
    assert torch.allclose(found, expected, atol=1e-4)


def plain(x: Tensor, shifts: Tensor, heights: Tensor) -> Tensor:
    steps = torch.where(x[..., None] >= 0.5 - shifts, 1.0, -1.0)
    return (steps.double() * heights.double()).sum(-1)


@settings(max_examples=20)
@given(st.integers(1, 6), st.integers(0, 10_000))
def test_the_staircase_is_its_written_sum(count: int, seed: int) -> None:
    x, shifts, heights = random(2, 3, 4, 5, seed=seed), random(count, seed=seed + 1), random(count, seed=seed + 2)
    expected = plain(x, shifts, heights)
    for layout in (torch.contiguous_format, torch.channels_last):
        found = staircase(x.contiguous(memory_format=layout), shifts, heights)
        assert torch.allclose(found.double(), expected, atol=1e-5)
    assert torch.allclose(staircase(x[:, :, ::2], shifts, heights).double(), expected[:, :, ::2], atol=1e-5)


def test_a_threshold_itself_is_above() -> None:
    assert staircase(torch.tensor([0.2, 0.1999, -0.5]), torch.tensor([0.3]), torch.tensor([2.0])).tolist() == [
        2,
        -2,
        -2,
    ]


@pytest.mark.parametrize("surrogate", list(SURROGATES))
@pytest.mark.parametrize("size", [40, (1 << 16) + 7], ids=["one piece", "two pieces"])
def test_the_staircases_gradients_are_the_defined_ones(surrogate: str, size: int) -> None:
    x, upstream = (1.5 * random(size)).requires_grad_(), random(size, seed=1)
    shifts = torch.tensor([0.9, 0.45, -0.3]).requires_grad_()
    heights = torch.tensor([0.5, -0.2, 1.0]).requires_grad_()
    found = torch.autograd.grad(staircase(x, shifts, heights, surrogate), (x, shifts, heights), upstream)
    z = 2 * (x.detach()[:, None] + shifts.detach()) - 1
    slopes = SURROGATES[surrogate](upstream[:, None].expand_as(z).contiguous(), z) * 2 * heights.detach()
    signs = torch.where(z >= 0, 1.0, -1.0)
    for one, other in zip(found, (slopes.sum(1), slopes.sum(0), (signs * upstream[:, None]).sum(0)), strict=True):
        assert torch.allclose(one, other, rtol=1e-3, atol=1e-3 * float(other.abs().max()))


def test_with_clip_the_gradient_is_that_of_the_clipped_ramp() -> None:
    x = random(200).requires_grad_()
    shifts, heights = torch.tensor([0.9, -0.3]), torch.tensor([0.5, 1.0])
    (found,) = torch.autograd.grad(staircase(x, shifts, heights).sum(), x)
    ramp = ((2 * torch.clip(x[:, None] + shifts, 0, 1) - 1) * heights).sum()
    (expected,) = torch.autograd.grad(ramp, x)
    assert torch.allclose(found, expected)


def test_half_precision_inputs_keep_their_type() -> None:
    x = random(64).bfloat16().requires_grad_()
    shifts = torch.tensor([0.9, -0.3]).requires_grad_()
    out = staircase(x, shifts, torch.tensor([0.5, 1.0]))
    out.sum().backward()
    assert out.dtype == torch.bfloat16
    assert x.grad is not None
    assert (x.grad.dtype, shifts.grad.dtype if shifts.grad is not None else None) == (torch.bfloat16, torch.float32)


def test_bases_start_distinct_and_part_further_in_training() -> None:
    layer = LatentABCConv2d(SHAPES[0], 3, 3)
    assert len(layer.shifts.unique()) == 3
    (gradient,) = torch.autograd.grad(layer(random(8, 3, 6, 6)).square().sum(), layer.shifts)
    assert len(gradient.unique()) == 3


def test_shipping_leaves_the_global_random_state_alone_and_keeps_the_surrogate() -> None:
    layer = trained(SHAPES[1], 2, 2)
    layer.surrogate = "tanh"
    state = torch.get_rng_state()
    shipped = layer.deployed()
    assert torch.equal(torch.get_rng_state(), state)
    assert shipped.surrogate == "tanh"
    assert isinstance(shipped, BinaryLayer)
    assert (shipped.weight_bases, shipped.activation_bases) == (2, 2)

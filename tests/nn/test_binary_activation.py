"""The compiled pass of batch norm and staircase against PyTorch's operations, which are their definition."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from brinell.nn import LatentABCConv2d, LatentBinaryConv2d, sign, staircase
from brinell.nn.binary_layers import binary_activation as activation
from brinell.nn.binary_layers.activation_kernel import has_numba
from brinell.nn.binary_layers.binary_activation import normed_signs, normed_staircase

compiled = pytest.mark.skipif(not has_numba(), reason="Numba is not installed")

SHAPES = [(8, 16, 6, 6), (3, 5, 7, 3), (2, 40, 1, 1), (5, 600, 3, 2), (64, 16, 32, 32)]
SHIFTS, HEIGHTS = (0.9, 0.45, -0.3), (0.5, -0.2, 1.0)


@pytest.fixture(autouse=True)
def small_maps_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activation, "_LEAST", 1)


def random(*shape: int, seed: int = 0) -> Tensor:
    values = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    return values.contiguous(memory_format=torch.channels_last) if len(shape) == 4 else values


def norm_of(channels: int, *, training: bool, momentum: float = 0.1) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(channels, momentum=momentum)
    with torch.no_grad():
        norm.weight.copy_(random(channels, seed=1))
        norm.bias.copy_(0.3 * random(channels, seed=2))
        norm.weight[0] = 0
    norm.running_mean.copy_(random(channels, seed=3))  # type: ignore[union-attr]
    norm.running_var.copy_(random(channels, seed=4).square() + 0.1)  # type: ignore[union-attr]
    return norm.train(training)


def values_and_gradients(
    norm: nn.BatchNorm2d, x: Tensor, *, steps: bool, plain: bool
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The activations, and the gradients by x, by the norm's parameters, and by shifts and heights."""
    x = x.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    wanted = [x, norm.weight, norm.bias]
    if steps:
        shifts, heights = (torch.tensor(values).requires_grad_() for values in (SHIFTS, HEIGHTS))
        wanted += [shifts, heights]
        out = staircase(norm(x), shifts, heights) if plain else normed_staircase(norm, x, shifts, heights)
    else:
        out = sign(norm(x)) if plain else normed_signs(norm, x)
    return out.detach(), torch.autograd.grad(out, wanted, random(*x.shape, seed=9))


def close(found: Tensor, expected: Tensor) -> bool:
    """But for float rounding, which moves a few numbers across a threshold or out of its reach."""
    differences = (found - expected).abs() / (float(expected.abs().max()) + 1e-6)
    if found.dim() == 1:  # sums over a map: a number that moves adds to them all the same
        return float(differences.max()) < 0.02
    return float((differences > 1e-3).float().mean()) < 1e-3


@compiled
@pytest.mark.parametrize("steps", [False, True], ids=["signs", "staircase"])
@pytest.mark.parametrize("training", [False, True], ids=["evaluation", "training"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_it_is_the_norm_and_the_staircase(shape: tuple[int, ...], training: bool, steps: bool) -> None:
    x = 2 + 1.5 * random(*shape)
    one, other = norm_of(shape[1], training=training), norm_of(shape[1], training=training)
    found, gradients = values_and_gradients(one, x, steps=steps, plain=False)
    expected, wanted = values_and_gradients(other, x, steps=steps, plain=True)
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert close(found, expected)
    for gradient, want in zip(gradients, wanted, strict=True):
        assert gradient.dtype == want.dtype
        assert close(gradient, want)
    for name, tensor in other.state_dict().items():
        torch.testing.assert_close(one.state_dict()[name], tensor)


@compiled
def test_the_gradients_sums_are_exact_where_no_value_is_near_an_edge() -> None:
    """Against float64 formulas, to float rounding: values on a grid that the thresholds and their reach miss."""
    x = (
        (torch.arange(2 * 4 * 6 * 6) * 37 % 101 / 50.0 - 1)
        .view(2, 4, 6, 6)
        .contiguous(memory_format=torch.channels_last)
    )
    norm = norm_of(4, training=True)
    _, found = values_and_gradients(norm, x, steps=True, plain=False)
    exact = copy.deepcopy(norm_of(4, training=True)).double()
    inputs = x.double().requires_grad_()
    shifts = torch.tensor(SHIFTS, dtype=torch.float64, requires_grad=True)
    heights = torch.tensor(HEIGHTS, dtype=torch.float64, requires_grad=True)
    away = exact(inputs)[..., None] + shifts
    assert min(float((away.detach() - edge).abs().min()) for edge in (0, 0.5, 1)) > 1e-5
    ramp = (2 * away.clip(0, 1) - 1) * heights
    signs = torch.where(away.detach() >= 0.5, 1.0, -1.0) * heights
    upstream = random(2, 4, 6, 6, seed=9).double()
    by_ramp = torch.autograd.grad(
        (ramp.sum(-1) * upstream).sum(), [inputs, exact.weight, exact.bias, shifts], retain_graph=True
    )
    (by_heights,) = torch.autograd.grad((signs.sum(-1) * upstream).sum(), heights)
    for gradient, want in zip(found, (*by_ramp, by_heights), strict=True):
        torch.testing.assert_close(gradient, want.float(), rtol=1e-4, atol=1e-5)


@compiled
def test_sums_do_not_depend_on_the_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    results = []
    for threads in (1, 3):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        results.append(values_and_gradients(norm_of(16, training=True), random(*SHAPES[-1]), steps=True, plain=False))
    (one, gradients), (other, others) = results
    assert torch.equal(one, other)
    assert all(torch.equal(a, b) for a, b in zip(gradients, others, strict=True))


@compiled
def test_a_channel_far_from_zero_keeps_its_variance() -> None:
    x = 1000 + 0.01 * random(4, 3, 5, 5)
    norm = norm_of(3, training=True, momentum=1.0)
    normed_signs(norm, x.requires_grad_())
    variance = x.detach().double().transpose(0, 1).flatten(1).var(1)
    torch.testing.assert_close(norm.running_var, variance.float(), rtol=1e-3, atol=0)


@compiled
def test_nan_stays_nan() -> None:
    x = random(2, 3, 4, 4)
    x[0, 1, 2, 3] = torch.nan
    out = normed_signs(norm_of(3, training=False), x.requires_grad_()).detach()
    assert out.isnan().nonzero().tolist() == [[0, 1, 2, 3]]


@compiled
def test_one_value_a_channel_has_no_variance() -> None:
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        normed_signs(norm_of(3, training=True), random(1, 3, 1, 1).requires_grad_())


@pytest.mark.parametrize("kind", [LatentBinaryConv2d, lambda like: LatentABCConv2d(like, 2, 3)])
def test_passes_without_gradients_and_other_surrogates_are_pytorchs(
    kind: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise AssertionError("compiled")

    monkeypatch.setattr(activation, "kernels", refuse)
    layer = kind(nn.Conv2d(4, 4, 3)).eval()  # type: ignore[operator]
    x = random(2, 4, 6, 6)
    with torch.no_grad():
        layer(x)
    layer(x.contiguous())
    with torch.autocast("cpu", torch.bfloat16):
        layer(x)
    layer.surrogate = "tanh"
    layer(x)


@compiled
@pytest.mark.parametrize("kind", [LatentBinaryConv2d, lambda like: LatentABCConv2d(like, 2, 3)])
def test_layers_learn_what_they_learn_without_it(kind: object, monkeypatch: pytest.MonkeyPatch) -> None:
    layer = kind(nn.Conv2d(8, 8, 3, padding=1, bias=False))  # type: ignore[operator]
    x, upstream = random(4, 8, 6, 6).requires_grad_(), random(4, 8, 6, 6, seed=1)
    gradients = []
    for installed in (True, False):
        monkeypatch.setattr(activation, "has_numba", lambda installed=installed: installed)
        network = copy.deepcopy(layer)
        gradients.append(torch.autograd.grad(network(x), [x, *network.parameters()], upstream))
    for found, expected in zip(*gradients, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max()))

"""Modes, deployment of parametrised weights, and folded batch norms."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from brinell.models import build
from brinell.nn import BinaryConv2d, deploy, fold_batch_norms, frozen_evaluation, replace, set_layout


def mixed() -> nn.Sequential:
    """In training, but for one frozen batch norm and one frozen parameter: what fine-tuning looks like."""
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Sequential(nn.Dropout(), nn.Conv2d(2, 2, 1)))
    network.train()
    network[1].eval()
    network[0].weight.requires_grad_(False)
    return network


def state(network: nn.Module) -> list[bool]:
    return [part.training for part in network.modules()] + [part.requires_grad for part in network.parameters()]


def test_inside_everything_is_frozen_and_afterwards_as_it_was() -> None:
    one, other = mixed(), mixed()
    before = state(one), state(other)
    with frozen_evaluation(one, other):
        assert not any(state(one) + state(other))
    assert (state(one), state(other)) == before
    assert any(before[0])
    assert not all(before[0])


def test_an_exception_restores_as_well() -> None:
    network = mixed()
    before = state(network)
    with pytest.raises(ZeroDivisionError), frozen_evaluation(network):
        raise ZeroDivisionError
    assert state(network) == before


def test_frozen_blocks_nest_and_take_one_network_twice() -> None:
    network = mixed()
    before = state(network)
    with frozen_evaluation(network, network), frozen_evaluation(network):
        pass
    assert state(network) == before


def test_batch_norm_statistics_stand_still_inside() -> None:
    network = mixed().train()
    before = network[1].running_mean.clone()
    with frozen_evaluation(network):
        network(torch.rand(4, 1, 5, 5))
    assert torch.equal(network[1].running_mean, before)


def test_replacing_reaches_any_depth() -> None:
    network = mixed()
    replace(network, "2.1", nn.Identity())
    replace(network, "0", nn.Flatten())
    assert isinstance(network[2][1], nn.Identity)
    assert isinstance(network[0], nn.Flatten)


class Mask(nn.Module):
    """Every second weight is zero."""

    def forward(self, weight: Tensor) -> Tensor:
        mask = torch.ones_like(weight)
        mask.view(-1)[::2] = 0
        return weight * mask


def test_deployment_bakes_parametrised_weights_in() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(2, 3))
    plain = set(network.state_dict())
    parametrize.register_parametrization(network[0], "weight", Mask())
    parametrize.register_parametrization(network[2], "weight", Mask())
    parametrize.register_parametrization(network[2], "bias", Mask())
    images = torch.rand(4, 1, 3, 3)
    shipped = deploy(network)
    assert set(shipped.state_dict()) == plain
    assert torch.equal(shipped(images), network(images))
    assert shipped[0].weight.count_nonzero() == 9
    assert parametrize.is_parametrized(network[0], "weight")
    assert parametrize.is_parametrized(network[2], "bias")
    assert torch.equal(shipped(images), network(images)), "the original still computes"
    assert torch.equal(deploy(network)(images), shipped(images))


def settled(network: nn.Module) -> nn.Module:
    """Batch norms with statistics and slopes of their own, so that folding has something to do."""
    generator = torch.Generator().manual_seed(0)
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            for tensor in (part.running_var, part.weight.data):
                assert tensor is not None
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
            for tensor in (part.running_mean, part.bias.data):
                assert tensor is not None
                tensor.copy_(torch.randn(tensor.shape, generator=generator))
    return network.eval()


def norms(network: nn.Module) -> int:
    return sum(isinstance(part, nn.BatchNorm2d) for part in network.modules())


def test_folding_changes_neither_outputs_nor_gradients_nor_the_original() -> None:
    # In float64: in float32 a value that rounds across a ReLU's kink would change the gradient altogether.
    model = settled(build("resnet20")).double()
    images = torch.rand(2, 3, 32, 32, dtype=torch.float64)
    folded = fold_batch_norms(model)
    assert norms(folded) == 0
    assert norms(model) == 19
    one, other = (images.clone().requires_grad_() for _ in range(2))
    logits, same = model(one), folded(other)
    assert torch.allclose(logits, same, rtol=1e-9, atol=1e-9)
    gradients = [torch.autograd.grad(out.logsumexp(1).sum(), x)[0] for out, x in ((logits, one), (same, other))]
    assert torch.allclose(*gradients, rtol=1e-6, atol=1e-8 * float(gradients[0].abs().max()))
    assert not any(parameter.requires_grad for parameter in folded.parameters())


def test_folding_leaves_binary_layers_whole() -> None:
    model = settled(build("resnet8"))
    replace(model, "model.layer2.0.conv1", BinaryConv2d(model.get_submodule("model.layer2.0.conv1")))  # type: ignore[arg-type]
    model.eval()
    images = torch.rand(3, 1, 8, 8)
    folded = fold_batch_norms(model)
    assert sum(isinstance(part, BinaryConv2d) for part in folded.modules()) == 1
    assert norms(folded) == 2, "the binary layer's own, and the one behind it, which scales sums of bits"
    assert torch.allclose(folded(images), model(images), rtol=1e-3, atol=1e-3)


class Shared(nn.Module):
    """One batch norm behind two convolutions, and a convolution whose output is used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.other = nn.Conv2d(1, 2, 1), nn.Conv2d(1, 2, 1)
        self.twice, self.after = nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2)
        self.norm = nn.BatchNorm2d(2)

    def forward(self, x: Tensor) -> Tensor:
        both = self.norm(self.one(x)) + self.norm(self.other(x))
        shared = self.twice(both)
        return self.after(shared) + shared


class Branching(nn.Module):
    """Cannot be traced."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x)) if x.sum() > 0 else self.conv(x)


@pytest.mark.parametrize("network", [Shared(), Branching()])
def test_what_cannot_be_folded_stays(network: nn.Module) -> None:
    settled(network)
    folded = fold_batch_norms(network)
    assert norms(folded) == norms(network)
    assert folded is not network
    for images in (torch.rand(2, 1, 3, 3), -torch.rand(2, 1, 3, 3)):
        assert torch.allclose(folded(images), network(images), atol=1e-6)


def test_a_layout_leaves_values_and_other_shapes_alone() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv3d(2, 2, 3), nn.Linear(5, 2))
    module.register_buffer("planes", torch.rand(2, 4, 3, 3, 3))
    before = {name: value.clone() for name, value in module.state_dict().items()}
    assert set_layout(module, torch.channels_last) is module
    assert module[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert set_layout(module, torch.contiguous_format)[0].weight.is_contiguous()

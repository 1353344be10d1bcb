"""Small networks with random weights and statistics, as compressors leave them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from brinell.models import build
from brinell.nn import ABCConv2d, BinaryConv2d, BinaryLayer
from brinell.variants import ABCLayers, BinaryLayers, Variant
from brinell.variants.structure_change import StructureChange

SHAPE = (1, 8, 8)


def varied(module: nn.Module, seed: int = 0) -> nn.Module:
    """The module with random batch norms, of which a third of the slopes are negative, and random signs and scales."""
    draw = torch.Generator().manual_seed(seed)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.3, generator=draw)
            part.running_var.uniform_(0.5, 2, generator=draw)
            part.weight.data.uniform_(-0.5, 1.0, generator=draw)
            part.bias.data.normal_(0, 0.3, generator=draw)
    for part in module.modules():
        if isinstance(part, BinaryConv2d):
            part.weight.copy_(torch.randn(part.weight.shape, generator=draw).sign())
            part.scale.uniform_(0.05, 0.3, generator=draw)
        if isinstance(part, ABCConv2d):
            part.bits.copy_(torch.randn(part.bits.shape, generator=draw).sign())
            part.alphas.uniform_(0.02, 0.1, generator=draw)
            part.shifts.data.normal_(0, 0.5, generator=draw)
            part.heights.data.uniform_(-0.2, 0.6, generator=draw)
    return module.eval().requires_grad_(False)


def binary_layer(
    inputs: int, outputs: int, *, bases: tuple[int, int] | None = None, input_scale: bool = False, **options: object
) -> BinaryLayer:
    """One binary layer; `bases` makes it an ABC-Net one, and `options` are those of a convolution."""
    like = nn.Conv2d(inputs, outputs, **{"kernel_size": 3, "padding": 1, **options})  # type: ignore[arg-type]
    layer = BinaryConv2d(like, input_scale=input_scale) if bases is None else ABCConv2d(like, *bases)
    return varied(layer, seed=inputs + outputs)  # type: ignore[return-value]


def resnet8(change: type[StructureChange] | None = None, **settings: object) -> Variant:
    """A ResNet-8 of random weights; with a change, all but its first convolution are of that kind."""
    torch.manual_seed(0)
    module = build("resnet8")
    architecture = module.architecture
    structure: tuple[StructureChange, ...] = ()
    if change is not None:
        layers = tuple(name for name, part in module.named_modules() if isinstance(part, nn.Conv2d))[1:]
        structure = (change(layers=layers, **settings),)
        structure[0].apply(module, latent=False)
    varied(module)
    tensors = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    return Variant(tensors, SHAPE, 10, architecture, structure)


def xnor(**settings: object) -> Variant:
    return resnet8(BinaryLayers, **settings)


def abc(weight_bases: int, activation_bases: int) -> Variant:
    return resnet8(ABCLayers, weight_bases=weight_bases, activation_bases=activation_bases, scales="filter")


def pruned(sparsity: float) -> Variant:
    """A ResNet-8 whose convolutions have this share of zeros."""
    variant = resnet8()
    draw = torch.Generator().manual_seed(1)
    tensors = dict(variant.tensors)
    for name, tensor in tensors.items():
        if tensor.dim() == 4:
            tensors[name] = tensor * (torch.rand(tensor.shape, generator=draw) >= sparsity)
    return Variant(tensors, variant.input_shape, variant.classes, variant.architecture)


def images(count: int) -> Tensor:
    return torch.rand(count, *SHAPE, generator=torch.Generator().manual_seed(5))

"""Variants: records whose modules are rebuilt where they are run."""

from __future__ import annotations

import pickle
from dataclasses import replace as changed

import pytest
import torch
from torch import Tensor, nn

import brinell
from brinell.attacks import BIM
from brinell.core import ConfigurationError, ModelError, UnsupportedError
from brinell.costs import measure
from brinell.models import build
from brinell.models.cifar_resnet import ResNet8
from brinell.nn import SURROGATES, BinaryConv2d, LatentBinaryConv2d
from brinell.variants import CHANGES, VIEWS, ABCLayers, BinaryLayers, Step, Variant, natural_view, rebuild, set_view

IMAGES = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
STEP = Step("xnor_net", {"epochs": 1}, seed=0, figures={"loss": 0.5})
LAYERS = BinaryLayers(layers=("model.layer2.0.conv1", "model.layer2.0.conv2"))


class Own(nn.Module):
    """A user's own network, which no header can rebuild."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.drop = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Dropout()

    def forward(self, x: Tensor) -> Tensor:
        return self.drop(self.norm(self.conv(x))).mean((2, 3))


def of(module: nn.Module, classes: int = 10) -> Variant:
    return Variant.of(module, input_shape=(1, 8, 8), classes=classes)


BASES = ABCLayers(layers=LAYERS.layers, weight_bases=2, activation_bases=3, scales="filter")


def binary(change: BinaryLayers | ABCLayers = LAYERS) -> Variant:
    """A variant with two binary layers that were trained a little."""
    parent = of(ResNet8().module(1))
    module = rebuild(parent.trainable(), (change,), latent=True).train()
    module(torch.rand(16, 1, 8, 8))
    return parent.child(module.eval(), STEP, structure=(change,))


@pytest.mark.parametrize("module", [ResNet8().module(1), Own()])
def test_a_variant_computes_what_its_module_does(module: nn.Module) -> None:
    variant = of(module)
    deployed = variant.deployed()
    assert torch.equal(deployed(IMAGES), module.eval()(IMAGES))
    assert torch.equal(variant(IMAGES), deployed(IMAGES))
    assert not any(part.training for part in deployed.modules())
    assert not any(parameter.requires_grad for parameter in deployed.parameters())
    assert variant.lineage == ()
    assert variant.latent is None


@pytest.mark.parametrize("module", [ResNet8().module(1), Own()])
def test_what_happens_to_the_module_later_changes_nothing(module: nn.Module) -> None:
    variant = of(module.train())
    before = variant(IMAGES)
    assert module.training
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(1)
    module(IMAGES)
    assert torch.equal(variant(IMAGES), before)


def test_deployed_modules_are_independent_of_each_other() -> None:
    variant = of(Own())
    one, other = variant.deployed(), variant.deployed()
    with torch.no_grad():
        one.conv.weight.zero_()  # type: ignore[union-attr, operator]
    assert torch.equal(other(IMAGES), variant(IMAGES))
    assert not torch.equal(one(IMAGES), other(IMAGES))


def test_only_a_user_s_own_module_needs_a_skeleton() -> None:
    assert of(build("resnet8")).skeleton is None
    assert of(build("resnet8")).architecture == ResNet8()
    own = of(Own())
    assert own.architecture is None
    assert isinstance(own.skeleton, Own)
    with pytest.raises(ModelError, match=r"brinell\.load\(file, model=skeleton\)"):
        changed(own, skeleton=None).deployed()


def test_tensors_are_contiguous_copies_on_the_cpu() -> None:
    module = build("resnet8").to(memory_format=torch.channels_last)
    variant = of(module)
    assert all(tensor.is_contiguous() and not tensor.requires_grad for tensor in variant.tensors.values())
    assert torch.allclose(variant(IMAGES), module(IMAGES), atol=1e-5)


def test_tensors_that_do_not_fit_are_refused() -> None:
    variant = of(build("resnet8"))
    with pytest.raises(ModelError, match=r"the tensors do not fit the model: .*model\.conv1\.weight"):
        changed(variant, tensors={**variant.tensors, "model.conv1.weight": torch.zeros(1)}).deployed()
    with pytest.raises(ModelError, match="the tensors do not fit the model"):
        changed(variant, tensors={}).deployed()


def test_unknown_runtimes_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="unknown runtime 'packd'; accepted: reference"):
        of(build("resnet8")).deployed("packd")


def test_a_child_records_what_was_done_and_leaves_its_parent() -> None:
    parent = of(build("resnet8"))
    before = parent(IMAGES)
    module = parent.trainable()
    assert all(parameter.requires_grad for parameter in module.parameters())
    with torch.no_grad():
        module.model.linear.bias.add_(1)  # type: ignore[union-attr]
    child = parent.child(module, STEP)
    grandchild = child.child(child.trainable(), changed(STEP, kind="inq"))
    assert torch.equal(parent(IMAGES), before)
    assert torch.allclose(child(IMAGES), before + 1)
    assert torch.equal(grandchild(IMAGES), child(IMAGES))
    assert (parent.lineage, child.lineage) == ((), (STEP,))
    assert [step.kind for step in grandchild.lineage] == ["xnor_net", "inq"]
    assert child.latent is None
    assert (child.input_shape, child.classes, child.architecture) == ((1, 8, 8), 10, ResNet8())


def test_a_child_of_a_user_s_own_module() -> None:
    parent = of(Own(), classes=4)
    module = parent.trainable()
    with torch.no_grad():
        module.conv.weight.mul_(2)  # type: ignore[union-attr, operator]
    child = parent.child(module, STEP)
    assert not torch.equal(child(IMAGES), parent(IMAGES))
    assert torch.equal(child(IMAGES), module.eval()(IMAGES))


def test_a_binary_child_ships_bits_and_keeps_latent_weights() -> None:
    variant = binary()
    name = "model.layer2.0.conv1.weight"
    assert set(variant.tensors[name].unique().tolist()) == {-1, 1}
    assert variant.latent is not None
    assert len(variant.latent[name].unique()) > 2
    deployed, trainable = variant.deployed(), variant.trainable()
    assert sum(type(part) is BinaryConv2d for part in deployed.modules()) == 2
    assert sum(type(part) is LatentBinaryConv2d for part in trainable.modules()) == 2
    assert torch.equal(trainable.get_submodule("model.layer2.0.conv1").weight, variant.latent[name])
    assert torch.equal(deployed(IMAGES), trainable.eval()(IMAGES))
    assert measure(variant).xnor_ops > 0


def test_a_child_of_a_binary_variant_goes_on_from_its_latent_weights() -> None:
    variant = binary()
    again = variant.child(variant.trainable(), STEP)
    assert again.structure == variant.structure
    assert again.latent is not None
    assert variant.latent is not None
    assert all(torch.equal(variant.latent[name], tensor) for name, tensor in again.latent.items())
    assert all(torch.equal(variant.tensors[name], tensor) for name, tensor in again.tensors.items())


def test_variants_travel_to_workers() -> None:
    for variant in (binary(), of(Own())):
        again = pickle.loads(pickle.dumps(variant))  # noqa: S301 - our own bytes
        assert torch.equal(again(IMAGES), variant(IMAGES))
        assert (again.structure, again.lineage) == (variant.structure, variant.lineage)


def test_building_leaves_the_global_random_state_alone() -> None:
    variant, own = binary(), of(Own())
    state = torch.get_rng_state()
    variant.deployed()
    variant.trainable()
    variant.view()
    variant.child(variant.trainable(), STEP)
    own.deployed()
    assert torch.equal(torch.get_rng_state(), state)


def test_views_by_nature() -> None:
    assert natural_view(build("resnet8")) == "exact"
    assert natural_view(binary().deployed()) == "straight_through"
    assert natural_view(binary(BASES).deployed()) == "straight_through"
    assert {f"surrogate:{name}" for name in SURROGATES} < set(VIEWS)


@pytest.mark.parametrize("gradient", [None, "straight_through", *[f"surrogate:{name}" for name in SURROGATES], "none"])
@pytest.mark.parametrize("change", [LAYERS, BASES], ids=["binary_layers", "abc_layers"])
def test_a_view_changes_gradients_and_never_outputs(gradient: str | None, change: BinaryLayers | ABCLayers) -> None:
    variant = binary(change)
    images = IMAGES.clone().requires_grad_()
    view = variant.view(gradient)
    assert torch.equal(view(images), variant(images))
    (found,) = torch.autograd.grad(view(images).logsumexp(1).sum(), images)
    same = gradient in (None, "straight_through", "surrogate:clip", "none")
    natural = variant.view()
    (usual,) = torch.autograd.grad(natural(images).logsumexp(1).sum(), images)
    assert torch.equal(found, usual) == same


@pytest.mark.parametrize("change", [LAYERS, BASES], ids=["binary_layers", "abc_layers"])
def test_attacks_are_lent_a_gradient_and_judged_by_what_ships(change: BinaryLayers | ABCLayers) -> None:
    variant = binary(change)
    labels = variant(IMAGES).argmax(1)
    spec = BIM(epsilon=0.3, steps=8, step_size=0.1)
    for gradient, expected in (("straight_through", True), ("surrogate:tanh", True)):
        outcome = brinell.attack(variant.view(gradient), IMAGES, labels, spec)
        assert bool((outcome.distances["linf"] > 0).all()) == expected
        assert torch.equal(variant(outcome.adversarials).argmax(1) != labels, outcome.success)


def test_views_that_do_not_exist_are_refused() -> None:
    with pytest.raises(UnsupportedError, match="unknown view 'exakt'; accepted: natural, exact, straight_through"):
        of(build("resnet8")).view("exakt")
    with pytest.raises(UnsupportedError, match="a binary network has no exact gradient"):
        binary().view("exact")


def test_a_view_can_be_set_again() -> None:
    module = binary().deployed()
    set_view(module, "surrogate:tanh")
    set_view(module, "straight_through")
    assert {part.surrogate for part in module.modules() if isinstance(part, BinaryConv2d)} == {"clip"}


def test_structure_is_rebuilt_from_its_configuration() -> None:
    assert CHANGES.parse(BASES.config()) == BASES
    change = CHANGES.parse(LAYERS.config())
    assert change == LAYERS
    module = rebuild(build("resnet8"), (change,))
    assert {name for name, part in module.named_modules() if isinstance(part, BinaryConv2d)} == set(LAYERS.layers)


@pytest.mark.parametrize("layer", ["model.bn1", "model.linear", "nowhere", ""])
def test_layers_that_are_no_convolutions_are_refused(layer: str) -> None:
    with pytest.raises(ModelError, match=f"{layer!r} is not a convolution of this model; it has model.conv1, model"):
        rebuild(build("resnet8"), (BinaryLayers(layers=(layer,)),))


def test_unknown_changes_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="unknown structural change 'binary'; did you mean 'binary_layers'"):
        CHANGES.parse("binary")

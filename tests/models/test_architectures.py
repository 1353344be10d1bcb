"""Every architecture: what it builds, and that its weights are a function of the seed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from brinell import costs
from brinell.core import ConfigurationError, ModelError
from brinell.models import MODELS, build

every = pytest.mark.parametrize("kind", list(MODELS))

FIXED_SIZE = {"cifar_alexnet"}
"""Its fully connected layers take images of the size it was built for only."""


SMALLEST = {
    "resnet18": 32,
    "resnet50": 32,
    "mobilenet_v1": 32,
    "alexnet": 63,
    "inception_v3": 75,
    "squeezenet1_0": 21,
    "squeezenet1_1": 17,
    "cifar_squeezenet": 8,
    "cifar_mobilenet": 8,
}
"""Sizes of images at which the networks for ImageNet are tried, for speed."""


@every
def test_images_become_logits_of_its_classes(kind: str) -> None:
    small = {"size": SMALLEST[kind]} if kind in SMALLEST else {}
    model = build(kind, classes=7, **small)
    assert not any(part.training for part in model.modules())
    shape = model.architecture.input_shape
    with torch.inference_mode():
        logits = model(torch.rand(2, *shape))
        assert logits.shape == (2, 7)
    other = model if kind not in FIXED_SIZE else build(kind, classes=7, size=2 * shape[1])
    with torch.inference_mode():
        assert other(torch.rand(2, shape[0], 2 * shape[1], 2 * shape[2])).shape == (2, 7)


@every
def test_fresh_weights_are_a_function_of_the_seed(kind: str) -> None:
    architecture = MODELS[kind]()
    state = torch.get_rng_state()
    one, same, other = (architecture.module(seed).state_dict() for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), state), "the global random state was moved"
    assert all(torch.equal(one[name], same[name]) for name in one)
    first = next(iter(one))
    assert not torch.equal(one[first], other[first])
    torch.manual_seed(99)
    again = architecture.module(3).state_dict()
    assert all(torch.equal(one[name], again[name]) for name in one)


@every
def test_the_module_says_what_built_it(kind: str) -> None:
    changed = {"classes": 3, "width": 4}
    architecture = MODELS[kind].parse({name: changed[name] for name in changed if name in MODELS[kind].model_fields})
    module = architecture.module()
    assert module.architecture == architecture
    assert MODELS.parse(architecture.config()) == architecture
    assert all(parameter.requires_grad for parameter in module.parameters())


@pytest.mark.parametrize(
    ("kind", "depth"),
    [("resnet8", 8), ("resnet20", 20), ("resnet32", 32), ("resnet44", 44), ("resnet56", 56), ("resnet110", 110)],
)
def test_the_depth_is_that_of_the_name(kind: str, depth: int) -> None:
    layers = [part for part in build(kind).modules() if isinstance(part, (nn.Conv2d, nn.Linear))]
    assert len(layers) == depth


def test_the_cifar_alexnet_is_the_one_of_the_robustness_paper() -> None:
    module = build("cifar_alexnet")
    shapes = {
        name: tuple(layer.weight.shape)
        for name, layer in module.model.named_modules()
        if isinstance(layer, (nn.Conv2d, nn.Linear))
    }
    assert list(shapes.values()) == [
        (64, 3, 3, 3),
        (192, 64, 3, 3),
        (384, 192, 3, 3),
        (256, 384, 3, 3),
        (256, 256, 3, 3),
        (4096, 1024),
        (4096, 4096),
        (10, 4096),
    ]
    assert sum(parameter.numel() for parameter in module.parameters()) == 23_272_266  # 93 MB
    assert module.model.conv1.stride == (2, 2)
    assert [layer.p for layer in module.modules() if isinstance(layer, nn.Dropout)] == [0.5]


def test_shortcuts_are_option_a() -> None:
    """Every second pixel, and zeros for half of the new channels on either side; nothing to learn."""
    shortcut = build("resnet20").get_submodule("model.layer2.0.shortcut")
    assert not list(shortcut.parameters())
    x = torch.rand(1, 16, 4, 4)
    out = shortcut(x)
    assert out.shape == (1, 32, 2, 2)
    assert torch.equal(out[:, 8:24], x[:, :, ::2, ::2])
    assert not out[:, :8].any()
    assert not out[:, 24:].any()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"clases": 3}, r"resnet20\.clases: unknown key; did you mean 'classes'\?"),
        ({"classes": 0}, r"resnet20\.classes: input should be greater than or equal to 1, not 0"),
        ({"mean": [0.5]}, r"mean and std need 3 numbers each"),
        ({"std": [1, 1, 0]}, r"std must be positive"),
        ({"mean": [float("nan")] * 3}, r"resnet20\.mean\.0: input should be a finite number"),
    ],
)
def test_bad_fields_are_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        build("resnet20", **fields)


def test_unknown_models_are_refused_with_the_choices() -> None:
    with pytest.raises(ConfigurationError, match="unknown model 'resnet20b'; did you mean 'resnet20'"):
        build("resnet20b")


def shape_of(kind: str, **fields: object) -> nn.Module:
    """The bare network without the time and memory that weights take."""
    with torch.device("meta"):
        return MODELS[kind].parse(fields).network()


@pytest.mark.parametrize(
    ("kind", "parameters", "layers"),
    [
        ("resnet18", 11_689_512, 21),
        ("resnet50", 25_557_032, 54),
        ("alexnet", 61_100_840, 8),
        ("mobilenet_v1", 4_231_976, 28),
        ("inception_v3", 27_161_264 - 3_326_696, 95),  # torchvision's less its auxiliary classifier
    ],
)
def test_the_networks_for_imagenet_have_their_published_sizes(kind: str, parameters: int, layers: int) -> None:
    module = shape_of(kind)
    assert sum(parameter.numel() for parameter in module.parameters()) == parameters
    assert sum(isinstance(part, (nn.Conv2d, nn.Linear)) for part in module.modules()) == layers


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("resnet18", {"conv1.weight", "layer2.0.downsample.0.weight", "layer4.1.bn2.running_var", "fc.bias"}),
        ("resnet50", {"layer1.0.downsample.1.bias", "layer3.5.conv3.weight", "fc.weight"}),
        ("alexnet", {"features.0.weight", "features.10.bias", "classifier.1.weight", "classifier.6.bias"}),
        (
            "inception_v3",
            {"Conv2d_1a_3x3.conv.weight", "Mixed_5b.branch3x3dbl_3.bn.bias", "Mixed_7c.branch_pool.conv.weight"},
        ),
    ],
)
def test_the_names_are_torchvisions(kind: str, names: set[str]) -> None:
    assert names <= shape_of(kind).state_dict().keys()


def test_a_checkpoint_with_an_auxiliary_classifier_loads(tmp_path: Path) -> None:
    module = build("inception_v3", classes=3)
    published = {**module.model.state_dict(), "AuxLogits.fc.weight": torch.zeros(3, 768)}  # type: ignore[operator, union-attr]
    torch.save(published, tmp_path / "weights.pth")
    again = build("inception_v3", tmp_path / "weights.pth", classes=3)
    assert torch.equal(again.model.fc.weight, module.model.fc.weight)  # type: ignore[union-attr]
    torch.save({**published, "Other.weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(ModelError, match=r"Other\.weight is not part of the model"):
        build("inception_v3", tmp_path / "other.pth", classes=3)


@pytest.mark.parametrize(
    ("kind", "fields", "parameters"),
    [
        ("resnet20", {}, 269_722),  # to 1,727,962: pytorch_resnet_cifar10 (Y. Idelbayev); He 2016, table 6
        ("resnet32", {}, 464_154),
        ("resnet44", {}, 658_586),
        ("resnet56", {}, 853_018),
        ("resnet110", {}, 1_727_962),
        ("cifar_mobilenet", {}, 3_217_226),  # pytorch-cifar (K. Liu)
        ("cifar_squeezenet", {}, 732_010),
        ("cifar_squeezenet", {"classes": 100}, 778_180),  # 0.78 million: pytorch-cifar100 (Weiaicunzai)
    ],
)
def test_the_networks_for_cifar_have_their_published_sizes(kind: str, fields: dict[str, int], parameters: int) -> None:
    assert sum(parameter.numel() for parameter in shape_of(kind, **fields).parameters()) == parameters


def test_the_networks_for_cifar_keep_their_maps() -> None:
    """Images of 32 pixels become maps of 2 (MobileNet) and 4 pixels (SqueezeNet) before the average."""
    widths: dict[str, list[int]] = {}
    for kind in ("cifar_mobilenet", "cifar_squeezenet"):
        module = build(kind)
        layers = costs.layers(module, (3, 32, 32))
        maps = [layer.output_shape[1] for layer in layers if len(layer.output_shape) == 3]
        widths[kind] = sorted(set(maps), reverse=True)
        assert maps[0] == 32
    assert widths == {"cifar_mobilenet": [32, 16, 8, 4, 2], "cifar_squeezenet": [32, 16, 8, 4]}


def test_every_shortcut_that_changes_shape_is_a_projection() -> None:
    for kind, expected in (("resnet18", 3), ("resnet50", 4)):
        module = shape_of(kind)
        assert sum(name.endswith("downsample.0") for name, _ in module.named_modules()) == expected


def test_the_width_of_a_mobilenet_is_multiplied() -> None:
    half = shape_of("mobilenet_v1", multiplier=0.5)
    assert sum(parameter.numel() for parameter in half.parameters()) == 1_331_592  # Howard 2017, table 6: 1.3 million

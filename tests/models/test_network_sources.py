"""Networks that are not built in: the user's own code, exported programs, ONNX files, timm and torchvision."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import brinell
from brinell.core import ConfigurationError, ModelError
from brinell.models import NETWORK_SOURCES, CustomNetwork, LoadedNetwork, Normalized, suggest_normalization
from brinell.variants import Variant

SHAPE = (3, 8, 8)
CODE = """
    import torch
    from torch import nn
    import beside

    class Net(nn.Module):
        def __init__(self, width=4, classes=5):
            super().__init__()
            self.conv = nn.Conv2d(3, width, 3)
            self.fc = nn.Linear(width, classes)

        @classmethod
        def from_classes(cls, classes):
            return cls(classes=classes)

        def forward(self, x):
            return self.fc(torch.relu(self.conv(x)).mean((2, 3)))

    def build(width=4, classes=5):
        return beside.same(Net(width, classes))

    def maps(): return nn.Conv2d(3, 4, 3)
    def raises(): raise RuntimeError("no luck")
    def leaves(): raise SystemExit(3)
    def number(): return 3
    constant = 3
"""


@pytest.fixture
def code(tmp_path: Path) -> Path:
    (tmp_path / "beside.py").write_text("def same(x):\n    return x\n")
    (tmp_path / "networks.py").write_text(textwrap.dedent(CODE))
    yield tmp_path / "networks.py"
    sys.modules.pop("beside", None)


def load(code: Path, shape: tuple[int, int, int] | None = SHAPE, **fields: Any) -> LoadedNetwork:
    return CustomNetwork.parse({"file": code, **fields}).load(shape, trusted=True)


def test_a_file_s_function_with_arguments(code: Path) -> None:
    path = list(sys.path)
    found = load(code, arguments={"width": 6, "classes": 7})
    assert found.classes == 7
    assert found.input_shape == SHAPE
    assert found.module.conv.out_channels == 6
    assert not found.module.training
    assert sys.path == path
    variant = Variant.of(found.module, input_shape=found.input_shape, classes=found.classes)
    assert torch.equal(variant(torch.ones(1, *SHAPE)), found.module(torch.ones(1, *SHAPE)))


def test_a_class_and_weights_and_a_normalisation(code: Path, tmp_path: Path) -> None:
    save_file({"fc.bias": torch.arange(5.0), **_rest(code)}, tmp_path / "w.safetensors")
    found = load(code, factory="Net", weights=tmp_path / "w.safetensors", mean=[0.5, 0, 0], std=[1, 2, 1])
    assert isinstance(found.module, Normalized)
    assert found.module.model.fc.bias.tolist() == [0, 1, 2, 3, 4]


def test_a_class_method(code: Path) -> None:
    assert load(code, factory="Net.from_classes", arguments={"classes": 7}).classes == 7
    with pytest.raises(ModelError, match=r"factory: .* has no Net\.from_name; accepted: Net, build"):
        load(code, factory="Net.from_name")


def _rest(code: Path) -> dict[str, torch.Tensor]:
    return {name: tensor for name, tensor in load(code).module.state_dict().items() if name != "fc.bias"}


def test_an_importable_module(code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(code.parent)
    source = NETWORK_SOURCES.parse({"kind": "custom", "module": "networks"})
    assert source.load(SHAPE, trusted=True).classes == 5
    sys.modules.pop("networks")


def test_code_runs_only_where_it_is_trusted(code: Path) -> None:
    source = NETWORK_SOURCES.parse({"kind": "custom", "file": str(code), "arguments": {"width": 2}})
    with pytest.raises(ConfigurationError, match=r"this would run .*networks\.py:build\(width=2\); .*--trust-code"):
        source.load(SHAPE)
    assert "beside" not in sys.modules


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"factory": "raises"}, r"raises\(\) failed: RuntimeError: no luck \(.*networks\.py:\d+\)"),
        ({"factory": "leaves"}, r"leaves\(\) failed: SystemExit: 3"),
        ({"factory": "number"}, r"number\(\): expected a torch\.nn\.Module, not builtins\.int"),
        (
            {"factory": "maps"},
            r"expected logits \(2, classes\) of 2 images; the network returns a tensor of \(2, 4, 6, 6\)",
        ),
        ({"factory": "biuld"}, r"did you mean 'build'\? accepted: "),
        ({"factory": "constant"}, r"factory: .* has no constant"),
        ({"arguments": {"depth": 3}}, r"build\(depth=3\) failed: TypeError: .*unexpected keyword argument 'depth'"),
        ({"mean": [0.5], "std": [0.5]}, r"mean and std need 3 numbers each"),
    ],
)
def test_what_code_may_do_wrong(fields: dict[str, Any], message: str, code: Path) -> None:
    with pytest.raises(ModelError, match=message):
        load(code, **fields)


def test_images_of_another_shape_are_refused(code: Path) -> None:
    with pytest.raises(ModelError, match=r"does not take images \(1, 8, 8\): RuntimeError: "):
        load(code, (1, 8, 8))
    with pytest.raises(ModelError, match="the shape of its images is needed"):
        load(code, None)


def test_code_that_cannot_be_imported(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("import nothing_of_this_name")
    with pytest.raises(ModelError, match=r"bad\.py cannot be imported: ModuleNotFoundError: .* \(.*bad\.py:1\)"):
        load(tmp_path / "bad.py")
    (tmp_path / "worse.py").write_text("def (")
    with pytest.raises(ModelError, match=r"worse\.py cannot be imported: SyntaxError"):
        load(tmp_path / "worse.py")
    with pytest.raises(ModelError, match="no file at"):
        load(tmp_path / "nowhere.py")
    with pytest.raises(ModelError, match="'no_such_package' cannot be imported"):
        CustomNetwork(module="no_such_package").load(SHAPE, trusted=True)
    with pytest.raises(ConfigurationError, match="file and module exclude each other"):
        CustomNetwork.parse({"file": "a.py", "module": "b"})
    with pytest.raises(ConfigurationError, match="file is missing"):
        CustomNetwork().load(SHAPE, trusted=True)


# Files that hold a network


def plain() -> nn.Module:
    class Plain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)
            self.fc = nn.Linear(4, 5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(torch.relu(self.conv(x)).mean((2, 3)))

    torch.manual_seed(0)
    return Plain().eval()


def test_an_exported_program_stands_alone_in_a_file_of_ours(tmp_path: Path) -> None:
    """Loaded without code, attacked, and saved: another machine needs neither the module nor the program."""
    module = plain()
    torch.export.save(torch.export.export(module, (torch.rand(2, *SHAPE),)), tmp_path / "a.pt2")
    source = {"kind": "exported", "file": tmp_path / "a.pt2", "mean": [0.5] * 3, "std": [0.25] * 3}
    found = NETWORK_SOURCES.parse(source).load()
    images = torch.rand(4, *SHAPE)
    expected = module((images - 0.5) / 0.25)
    assert (found.input_shape, found.classes) == (SHAPE, 5)
    torch.testing.assert_close(found.module(images), expected)
    variant = Variant.of(found.module, input_shape=SHAPE, classes=5)
    brinell.save(variant, tmp_path / "a.brinell")
    torch.testing.assert_close(brinell.load(tmp_path / "a.brinell")(images), expected)
    with pytest.raises(
        ModelError, match=r"takes images \(3, 8, 8\), not \(3, 9, 9\); set the data's size and channels"
    ):
        NETWORK_SOURCES.parse(source).load((3, 9, 9))
    with pytest.raises(ModelError, match="no file at"):
        NETWORK_SOURCES.parse({**source, "file": tmp_path / "b.pt2"}).load()


class FakeTimm(ModuleType):
    """As much of timm as is used."""

    def __init__(self) -> None:
        super().__init__("timm")
        self.asked: list[Any] = []

    def create_model(self, name: str, pretrained: bool, **fields: Any) -> nn.Module:
        self.asked.append((name, pretrained, fields))
        if name == "nothing":
            raise RuntimeError("Unknown model (nothing)")
        module = plain()
        module.pretrained_cfg = {"mean": (0.1, 0.2, 0.3), "std": (0.4, 0.5, 0.6), "input_size": (3, 8, 8)}
        return module


def test_timm_declares_size_and_normalisation(monkeypatch: pytest.MonkeyPatch) -> None:
    timm = FakeTimm()
    monkeypatch.setitem(sys.modules, "timm", timm)
    found = NETWORK_SOURCES.parse({"kind": "timm", "name": "tiny", "pretrained": True, "classes": 5}).load()
    assert timm.asked == [("tiny", True, {"num_classes": 5})]
    assert (found.input_shape, found.classes) == (SHAPE, 5)
    assert [round(float(value), 3) for value in found.module.mean.flatten()] == [0.1, 0.2, 0.3]
    other = NETWORK_SOURCES.parse({"kind": "timm", "name": "tiny", "mean": [0, 0, 0], "std": [1, 1, 1]}).load(
        (3, 12, 12)
    )
    assert other.input_shape == (3, 12, 12)
    assert not other.module.mean.any()
    with pytest.raises(ModelError, match="timm cannot build 'nothing': Unknown model"):
        NETWORK_SOURCES.parse({"kind": "timm", "name": "nothing"}).load()


def test_torchvision_declares_size_and_normalisation(monkeypatch: pytest.MonkeyPatch) -> None:
    models, asked = ModuleType("torchvision.models"), []
    declared = SimpleNamespace(crop_size=[8], mean=[0.1, 0.2, 0.3], std=[0.4, 0.5, 0.6])
    weights = SimpleNamespace(DEFAULT=SimpleNamespace(transforms=lambda: declared))
    models.get_model_weights = lambda name: weights  # type: ignore[attr-defined]
    models.get_model = lambda name, **fields: asked.append((name, fields)) or plain()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torchvision", ModuleType("torchvision"))
    monkeypatch.setitem(sys.modules, "torchvision.models", models)
    found = NETWORK_SOURCES.parse({"kind": "torchvision", "name": "tiny", "pretrained": True}).load()
    assert asked == [("tiny", {"weights": weights.DEFAULT})]
    assert (found.input_shape, found.classes) == (SHAPE, 5)
    assert [round(float(value), 3) for value in found.module.std.flatten()] == [0.4, 0.5, 0.6]


@pytest.mark.parametrize(("kind", "package"), [("timm", "timm"), ("torchvision", "torchvision.models")])
def test_a_library_that_is_not_installed_is_named(kind: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigurationError, match=rf"'{package}' is needed here .* pip install 'brinell\[{kind}\]'"):
        NETWORK_SOURCES.parse({"kind": kind, "name": "resnet18"}).load()


def test_a_normalisation_is_whole() -> None:
    with pytest.raises(ConfigurationError, match="mean and std belong together"):
        NETWORK_SOURCES.parse({"kind": "timm", "name": "resnet18", "mean": [0.5, 0.5, 0.5]})


# Normalisation


class Expects(nn.Module):
    """Tells eight classes apart by the mean of an image that is normalised."""

    def __init__(self, mean: float, std: float) -> None:
        super().__init__()
        levels = ((torch.arange(8) + 0.5) / 8 - mean) / std
        self.register_buffer("levels", levels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return -(x.mean((1, 2, 3))[:, None] - self.levels).abs()


@pytest.mark.parametrize(
    ("mean", "std", "said"),
    [
        (0.5, 0.5, "set mean: [0.5, 0.5, 0.5] and std: [0.5, 0.5, 0.5]"),
        (0.0, 1 / 255, "(those of bytes)"),
        (0.0, 1.0, None),
    ],
)
def test_a_network_that_expects_other_inputs_is_recognised(mean: float, std: float, said: str | None) -> None:
    labels = torch.arange(200) % 8
    images = ((labels + 0.5) / 8).view(-1, 1, 1, 1).expand(-1, 3, 4, 4).clone()
    found = suggest_normalization(Expects(mean, std), images, labels)
    if said is None:
        assert found is None
    else:
        assert found is not None
        assert said in found
        assert "100.0% of them normalised" in found


def test_few_images_prove_nothing() -> None:
    labels = torch.arange(4)
    images = ((labels + 0.5) / 8).view(-1, 1, 1, 1).expand(-1, 3, 4, 4).clone()
    assert suggest_normalization(Expects(0.0, 1.0), images, labels) is None

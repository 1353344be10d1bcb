"""Networks that are not built in, in a study: trusted code, files that stand alone, keys of content."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

import brinell
from brinell.core import BrinellError, ConfigurationError, ModelError
from brinell.models import CustomNetwork
from brinell.study import Study, plan, run

SHAPE = (1, 8, 8)
CODE = """
    import torch
    from torch import nn

    class Net(nn.Module):
        def __init__(self, width=4, slope=0.0):
            super().__init__()
            self.slope = slope
            self.conv = nn.Conv2d(1, width, 3)
            self.fc = nn.Linear(width, 10)

        def forward(self, x):
            return self.fc(torch.nn.functional.leaky_relu(self.conv(x), self.slope).mean((2, 3)))

    class Sorting(Net):
        def forward(self, x):
            return self.fc(torch.relu(self.conv(x)).flatten(2).sort(2).values[:, :, -1])

    def build(width=4): return Net(width)
    def raises(): raise RuntimeError("no luck")
    def number(): return 3
    class Pair(Net):
        def forward(self, x): return super().forward(x), x
    def pair(): return Pair()
    def five(): return nn.Sequential(nn.Flatten(), nn.Linear(64, 5))
"""
ATTACKS = {"fgsm": {"kind": "fgsm", "epsilon": "8/255"}}
DATA = {"kind": "digits", "test": {"examples": 20}}


@pytest.fixture
def code(tmp_path: Path) -> Path:
    path = tmp_path / "networks.py"
    path.write_text(textwrap.dedent(CODE))
    module = CustomNetwork(file=path).load(SHAPE, trusted=True).module
    save_file(module.state_dict(), tmp_path / "w.safetensors")
    torch.export.save(torch.export.export(module, (torch.rand(2, *SHAPE),)), tmp_path / "net.pt2")
    return path


def study_of(models: dict[str, Any], **sections: Any) -> Study:
    variants = {name: {"model": name} for name in models}
    return Study.parse({"name": "own", "data": DATA, "models": models, "variants": variants} | sections)


def custom(code: Path, **fields: Any) -> dict[str, Any]:
    return {"kind": "custom", "file": str(code), **fields}


def key(study: Study) -> str:
    (variant,) = plan(study).variants
    return variant.key


def test_code_and_its_export_give_equal_rows_and_files_that_stand_alone(code: Path, tmp_path: Path) -> None:
    models = {
        "code": custom(code, weights=str(tmp_path / "w.safetensors")),
        "exported": {"kind": "exported", "file": str(tmp_path / "net.pt2")},
    }
    variants = {
        "code": {"model": "code"},
        "exported": {"model": "exported"},
        "pruned": {"from": "code", "compress": {"kind": "prune", "train": {"epochs": 1}}},
    }
    study = study_of(models, attacks=ATTACKS, probes={"masking": False}, variants=variants)
    assert Study.parse(study.config()) == study
    result = run(study, out=tmp_path / "run", threads=1)
    assert not [ending for ending in result.endings if ending.status != "done"]
    rows = brinell.analysis.load(brinell.store.RunStore.open(tmp_path / "run")).readings
    of = {name: rows.filter(rows["variant"] == name).drop("variant", "crafted_on") for name in ("code", "exported")}
    assert of["code"].equals(of["exported"], null_equal=True)
    code.unlink()  # nobody's code is needed from here on
    loaded = brinell.load(tmp_path / "run" / "variants" / "pruned.brinell")
    assert loaded.architecture is not None
    assert loaded(torch.rand(2, *SHAPE)).shape == (2, 10)


def test_a_network_that_is_no_graph_is_run_by_its_code(code: Path, tmp_path: Path) -> None:
    models = {"sorting": custom(code, factory="Sorting", weights=str(tmp_path / "w.safetensors"))}
    study = study_of(models, attacks=ATTACKS, probes={"masking": False})
    result = run(study, out=tmp_path / "run", threads=1)
    assert [ending.status for ending in result.endings] == ["done"] * 3
    assert run(study, out=tmp_path / "run", threads=1).endings == ()


def test_code_runs_only_where_it_is_trusted(code: Path, tmp_path: Path) -> None:
    (tmp_path / "networks.py").write_text("raise SystemExit('it ran')")
    study = study_of({"a": custom(code, arguments={"width": 2}), "b": {"kind": "custom", "module": "no_such"}})
    with pytest.raises(ConfigurationError) as caught:
        run(study, out=tmp_path / "run", trust_code=False)
    message = str(caught.value)
    assert "models.a would run" in message
    assert "networks.py:build(width=2); models.b would run no_such:build()" in message
    assert "--trust-code" in message
    assert not (tmp_path / "run").exists()


def test_a_change_of_the_code_or_of_the_weights_changes_the_key(code: Path, tmp_path: Path) -> None:
    weights = tmp_path / "w.safetensors"
    study = study_of({"a": custom(code, weights=str(weights))})
    before = key(study)
    assert key(study) == before
    moved = tmp_path / "moved.py"
    moved.write_text(code.read_text())
    assert key(study_of({"a": custom(moved, weights=str(weights))})) == before
    code.write_text(code.read_text().replace("slope=0.0", "slope=0.5"))
    assert key(study) != before
    moved_key = key(study_of({"a": custom(moved, weights=str(weights))}))
    save_file(
        {n: t + 1 for n, t in CustomNetwork(file=moved).load(SHAPE, trusted=True).module.state_dict().items()}, weights
    )
    assert key(study_of({"a": custom(moved, weights=str(weights))})) != moved_key
    normalized = custom(moved, weights=str(weights), mean=[0.5], std=[0.5])
    assert key(study_of({"a": normalized})) != key(study_of({"a": custom(moved, weights=str(weights))}))


def test_what_the_code_imports_from_beside_it_is_part_of_the_key(tmp_path: Path) -> None:
    """Also a helper that a helper imports; neither what lies beside it unused, nor where it all lies."""
    files = {
        "networks.py": "import own_layers\ndef build(): return own_layers.net()\n",
        "own_layers.py": "import torch\nfrom own_scale import SCALE\n"
        "def net():\n"
        "    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))\n"
        "    for p in module.parameters(): torch.nn.init.constant_(p, SCALE)\n"
        "    return module\n",
        "own_scale.py": "SCALE = 0.5\n",
        "unused.py": "",
    }

    def key_with(folder: str, **changes: str) -> str:
        (tmp_path / folder).mkdir()
        for name, text in (files | {f"{name}.py": text for name, text in changes.items()}).items():
            (tmp_path / folder / name).write_text(text)
        for name in ("own_layers", "own_scale"):
            sys.modules.pop(name, None)
        try:
            return key(study_of({"a": custom(tmp_path / folder / "networks.py")}))
        finally:
            for name in ("own_layers", "own_scale"):
                sys.modules.pop(name, None)

    first = key_with("first")
    assert key_with("moved", unused="x = 1\n") == first
    assert key_with("commented", own_scale="SCALE = 0.5  # a half\n") != first
    assert key_with("changed", own_scale="SCALE = 0.25\n") != first


def test_the_key_does_not_depend_on_how_the_network_is_exported(
    code: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another version of PyTorch may export it as other operators, or not at all."""
    study = study_of({"a": custom(code, weights=str(tmp_path / "w.safetensors"))})
    first = key(study)

    def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError("not in this version")

    monkeypatch.setattr(torch.export, "export", fails)
    assert key(study) == first


def test_a_factory_may_be_a_method_of_a_class(code: Path, tmp_path: Path) -> None:
    code.write_text(code.read_text() + "\nclass Zoo:\n    @classmethod\n    def small(cls, width): return Net(width)\n")
    weights = str(tmp_path / "w.safetensors")
    assert key(study_of({"a": custom(code, factory="Zoo.small", arguments={"width": 4}, weights=weights)}))
    with pytest.raises(ModelError, match=r"factory: .* has no Zoo.smal"):
        plan(study_of({"a": custom(code, factory="Zoo.smal", weights=weights)}))


def test_training_begins_with_weights_that_the_seed_decides(code: Path, tmp_path: Path) -> None:
    config = study_of({"a": custom(code)}).config()
    config |= {"variants": {"a": {"model": "a", "train": {"epochs": 1}}}, "seeds": {"variants": [0, 1]}}
    run(Study.parse(config), out=tmp_path / "run", threads=1)
    first, second = (brinell.load(tmp_path / "run" / "variants" / f"a-seed{seed}.brinell") for seed in (0, 1))
    assert not all(torch.equal(first.tensors[name], second.tensors[name]) for name in first.tensors)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"factory": "raises"}, r"^models\.a\..*raises\(\) failed: RuntimeError: no luck \(.*networks\.py:\d+\)$"),
        ({"factory": "pair"}, r"models\.a\..*networks\.py:pair\(\): expected logits .* returns tuple"),
        ({"factory": "build", "arguments": {"size": 3}}, r"unexpected keyword argument 'size'$"),
        ({"factory": "number"}, r"expected a torch\.nn\.Module, not builtins\.int"),
        ({"factory": "five"}, r"it has 5 classes; digits has 10"),
        ({}, r"models\.a\.weights: they are drawn at random each time"),
        ({"mean": [0.5, 0.5], "std": [1, 1]}, r"mean and std need 1 numbers each"),
        ({"weights": "WEIGHTS", "arguments": {"width": 5}}, r"conv\.weight is \(4, 1, 3, 3\) in the file and \(5, 1"),
    ],
)
def test_what_code_may_do_wrong_is_one_error(code: Path, tmp_path: Path, fields: dict[str, Any], message: str) -> None:
    if fields.get("weights"):
        fields = {**fields, "weights": str(tmp_path / "w.safetensors")}
    with pytest.raises((ConfigurationError, ModelError), match=message):
        plan(study_of({"a": custom(code, **fields)}))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"kind": "exported"}, "models.a.file: missing"),
        (
            {"kind": "exported", "file": "x.pt2", "weights": "WEIGHTS"},
            "models.a.weights: kind exported: the file holds",
        ),
        ({"kind": "custom", "file": "a.py", "module": "b"}, "models.a: file and module exclude each other"),
        ({"kind": "custom", "fil": "a.py"}, "models.a.fil: unknown key; did you mean 'file'?"),
        ({"kind": "timm", "name": "resnet18"}, "variants.a: it would be random"),
        ({"kind": "onnx", "file": "a.onnx", "mean": [0.5]}, "models.a: mean and std belong together"),
    ],
)
def test_a_file_that_says_too_little_or_too_much(tmp_path: Path, model: dict[str, Any], message: str) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "w.safetensors")
    if "weights" in model:
        model = {**model, "weights": str(tmp_path / "w.safetensors")}
    with pytest.raises(BrinellError) as caught:
        study_of({"a": model})
    assert message in str(caught.value)


def test_an_exported_network_of_other_images(tmp_path: Path) -> None:
    module = brinell.models.build("resnet8", in_channels=3, mean=(0, 0, 0), std=(1, 1, 1))
    torch.export.save(torch.export.export(module, (torch.rand(2, 3, 8, 8),)), tmp_path / "rgb.pt2")
    study = study_of({"a": {"kind": "exported", "file": str(tmp_path / "rgb.pt2")}})
    with pytest.raises(ModelError, match=r"^models\.a\..*takes images \(3, 8, 8\), not \(1, 8, 8\)"):
        plan(study)


def test_a_network_that_expects_normalised_images_is_recognised(tmp_path: Path) -> None:
    """By least squares on normalised digits: 95 % of them right, 20 % as they are."""
    images, labels = brinell.data.build("digits", "train").tensors()
    inputs = torch.cat([(images.flatten(1) - 0.5) / 0.5, torch.ones(len(images), 1)], 1).double()
    targets = torch.nn.functional.one_hot(labels, 10).double()
    found = torch.linalg.solve(inputs.T @ inputs + 1e-3 * torch.eye(65), inputs.T @ targets).float()
    save_file({"1.weight": found[:-1].T.contiguous(), "1.bias": found[-1].contiguous()}, tmp_path / "w.safetensors")
    code = tmp_path / "networks.py"
    code.write_text("from torch import nn\ndef build(): return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))\n")
    as_is = custom(code, weights=str(tmp_path / "w.safetensors"))
    models = {"as_is": as_is, "set": {**as_is, "mean": [0.5], "std": [0.5]}}
    data = {"kind": "digits", "test": {"examples": 100}}
    study, events = study_of(models, data=data, attacks=ATTACKS, probes={"masking": False}), []
    result = run(study, out=tmp_path / "run", threads=1, observe=events.append)
    (remark,) = events[0].remarks
    assert remark.startswith("models.as_is: the network classifies")
    assert "set mean: [0.5] and std: [0.5]" in remark
    run(study, out=tmp_path / "run", threads=1, observe=events.append)
    assert [event.remarks for event in events if hasattr(event, "remarks")] == [(remark,)] * 2  # it is kept
    page = brinell.report(result).read_text()
    assert "models.as_is: the network classifies" in page

"""Checkpoints from strangers: loaded by name as they are, refused when foreign, never unpickled."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from brinell.core import ModelError
from brinell.data import Cifar10
from brinell.models import Normalized, build, load_weights
from brinell.models.cifar_resnet import ResNet8

IMAGES = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def bare(seed: int = 1) -> dict[str, Tensor]:
    """The state of a bare network, as checkpoints hold it."""
    return ResNet8().module(seed).model.state_dict()


def logits(model: nn.Module) -> Tensor:
    with torch.no_grad():
        return model.eval()(IMAGES)


def expected(seed: int = 1) -> Tensor:
    return logits(ResNet8().module(seed))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {f"module.{name}": tensor for name, tensor in state.items()},
        lambda state: {f"model.{name}": tensor for name, tensor in state.items()},
        lambda state: {f"module.model.{name}": tensor for name, tensor in state.items()},
        lambda state: {"state_dict": {f"module.{name}": tensor for name, tensor in state.items()}, "best_prec1": 91.7},
        lambda state: {"model": state, "epoch": 3},
        lambda state: {"net": state, "epoch": 3},
        lambda state: {"model_state_dict": state, "optimizer_state_dict": {"state": {}}},
        lambda state: {"ema": {"module": state, "decay": 0.9}},
        lambda state: {f"_orig_mod.{name}": tensor for name, tensor in state.items()},
        lambda state: {f"module._orig_mod.{name}": tensor for name, tensor in state.items()},
        lambda state: {"state_dict": {f"_orig_mod.module.net.{name}": tensor for name, tensor in state.items()}},
        lambda state: {name: tensor for name, tensor in state.items() if "num_batches" not in name},
        lambda state: {
            name: nn.Parameter(tensor) if tensor.is_floating_point() else tensor for name, tensor in state.items()
        },
    ],
    ids=[
        *("plain", "parallel", "normalized", "parallel_normalized", "akamaster", "model", "net", "model_state_dict"),
        *("ema", "compiled", "parallel_compiled", "lightning", "old", "parameters"),
    ],
)
def test_names_as_they_are_found(wrap: Any, tmp_path: Path) -> None:
    torch.save(wrap(bare()), tmp_path / "weights.pt")
    assert torch.equal(logits(build("resnet8", weights=tmp_path / "weights.pt")), expected())


def test_safetensors(tmp_path: Path) -> None:
    save_file(bare(), tmp_path / "weights.safetensors")
    assert torch.equal(logits(build("resnet8", weights=str(tmp_path / "weights.safetensors"))), expected())


def test_a_path_may_be_a_text(tmp_path: Path) -> None:
    one, other = build("resnet8"), build("resnet8")
    save_file(one.state_dict(), tmp_path / "model.safetensors")
    load_weights(other, str(tmp_path / "model.safetensors"))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_a_user_s_own_network(tmp_path: Path) -> None:
    one, other = nn.Linear(3, 2), nn.Linear(3, 2)
    torch.save(one.state_dict(), tmp_path / "weights.pt")
    load_weights(other, tmp_path / "weights.pt")
    assert torch.equal(one.weight, other.weight)


def refusal(path: Path, kind: str = "resnet8") -> str:
    model = build(kind)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(ModelError) as caught:
        load_weights(model, path)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    return str(caught.value)


def test_another_architecture_is_refused_with_the_names_that_differ(tmp_path: Path) -> None:
    torch.save(bare(), tmp_path / "weights.pt")
    message = refusal(tmp_path / "weights.pt", "resnet20")
    assert message.startswith(
        f"weights: {tmp_path / 'weights.pt'} is a checkpoint of another architecture than resnet20"
    )
    assert "layer1.1.conv1.weight is missing" in message
    assert "and " in message
    assert " more" in message
    _, file, own = message.splitlines()
    assert file.startswith("in the file: conv1.weight (16, 1, 3, 3), bn1.weight (16,), bn1.bias (16,)")
    assert own.startswith("in the model: conv1.weight (16, 3, 3, 3), bn1.weight (16,), bn1.bias (16,)")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"extra.weight": torch.zeros(2)}, "extra.weight is not part of the model"),
        ({"conv1.weight": torch.zeros(16, 3, 3, 3)}, "conv1.weight is (16, 3, 3, 3) in the file and (16, 1, 3, 3) in"),
        ({"linear.weight": torch.zeros(100, 64)}, "linear.weight is (100, 64) in the file and (10, 64) in the model"),
        ({"linear.bias": torch.full((10,), torch.nan)}, "holds NaN or infinite values"),
        ({"linear.bias": torch.full((10,), torch.inf)}, "holds NaN or infinite values"),
    ],
)
def test_tensors_that_do_not_fit_are_named(change: dict[str, Tensor], message: str, tmp_path: Path) -> None:
    torch.save({**bare(), **change}, tmp_path / "weights.pt")
    assert message in refusal(tmp_path / "weights.pt")


@pytest.mark.parametrize(
    "value", [torch.zeros(3), [torch.zeros(3)], {}, {"epoch": 3}, {"state_dict": {"a": 3}}, "text"]
)
def test_what_is_no_state_dict_is_refused(value: object, tmp_path: Path) -> None:
    torch.save(value, tmp_path / "weights.pt")
    message = refusal(tmp_path / "weights.pt")
    assert "holds no state_dict" in message or "is a checkpoint of another architecture" in message


class Bomb:
    """Runs a command when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.mark}",)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("suffix", [".pt", ".th", ".pkl", ".safetensors"])
def test_a_file_that_would_run_code_is_refused_and_runs_none(legacy: bool, suffix: str, tmp_path: Path) -> None:
    path, mark = tmp_path / f"weights{suffix}", tmp_path / "exploded"
    torch.save({**bare(), "bomb": Bomb(mark)}, path, _use_new_zipfile_serialization=not legacy)
    message = refusal(path)
    assert not mark.exists()
    plain = "holds more than plain tensors (a whole module, perhaps), or is damaged; save the state dict"
    assert ("nor a .safetensors file" if suffix == ".safetensors" else plain) in message
    assert "weights_only" not in message  # PyTorch says how to run it
    assert "\n" not in message
    torch.load(io.BytesIO(path.read_bytes()), weights_only=False)  # the bomb is real
    assert mark.exists()


def test_a_whole_pickled_network_is_refused(tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2), tmp_path / "weights.pt")
    assert "holds more than plain tensors (a whole module, perhaps)" in refusal(tmp_path / "weights.pt")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert refusal(tmp_path / "nowhere.pt") == f"weights: no file at {tmp_path / 'nowhere.pt'}"
    assert refusal(tmp_path) == f"weights: {tmp_path}: it is no regular file but a folder"


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize("damage", ["empty", "cut", "junk", "zip"])
def test_damaged_files_are_one_clear_error(suffix: str, damage: str, tmp_path: Path) -> None:
    path = tmp_path / f"weights{suffix}"
    save_file(bare(), path) if suffix == ".safetensors" else torch.save(bare(), path)
    if damage == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("readme", "nothing")
    else:
        path.write_bytes({"empty": b"", "cut": path.read_bytes()[:-2000], "junk": b"junk" * 100}[damage])
    assert refusal(path).startswith(f"weights: {path} is neither")


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "file", "correct"),
    [("resnet20", "resnet20-12fca82f.th", 404), ("resnet56", "resnet56-4bfd9763.th", 410)],
)
def test_published_checkpoints_score_what_they_should(kind: str, file: str, correct: int, shared: Path) -> None:
    """On the first 500 of 5,000 JPEG images; counted once with plain code that shares nothing with this project."""
    model = build(kind, weights=shared / "weights" / file)
    images, labels = Cifar10(root=shared / "data" / "cifar10-jpeg").load("test").tensors()
    with torch.inference_mode():
        predictions = model(images[:500]).argmax(1)
    assert int((predictions == labels[:500]).sum()) == pytest.approx(correct, abs=1)


def test_normalisation_is_inside_and_no_part_of_checkpoints() -> None:
    inner = nn.Flatten()
    with pytest.raises(ModelError, match=r"mean \(127, 127\), .* divide those of bytes by 255"):
        Normalized(inner, (127, 127), (1, 1))
    with pytest.raises(ModelError, match="a number a channel"):
        Normalized(inner, (0.5, 0.5), (1.0,))
    model = Normalized(inner, (0.5, 0.25), (0.5, 2.0))
    images = torch.rand(2, 2, 3, 3)
    by_hand = torch.stack([(images[:, 0] - 0.5) / 0.5, (images[:, 1] - 0.25) / 2.0], 1).flatten(1)
    assert torch.equal(model(images), by_hand)
    assert not model.state_dict()


@pytest.mark.parametrize(
    ("dtype", "kind"), [(torch.complex64, "complex"), (torch.bool, "Boolean"), (torch.int8, "integer")]
)
def test_numbers_of_another_kind_are_refused(tmp_path: Path, dtype: torch.dtype, kind: str) -> None:
    state = bare()
    name = next(iter(state))
    torch.save({**state, name: state[name].to(dtype)}, tmp_path / "weights.pt")
    with pytest.raises(ModelError, match=f"{name} holds {kind} numbers in the file and floating-point ones"):
        load_weights(ResNet8().module(0), tmp_path / "weights.pt")


def test_two_names_of_one_tensor_are_refused(tmp_path: Path) -> None:
    state = bare()
    name = next(iter(state))
    torch.save({**state, f"module.{name}": state[name] + 1}, tmp_path / "weights.pt")
    with pytest.raises(ModelError, match=f"holds both {name} and module.{name}, which stand for the same tensor"):
        load_weights(ResNet8().module(0), tmp_path / "weights.pt")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda value: value.double() * 1e300, "holds values beyond torch.float32"),
        (lambda value: value.to_sparse(), "holds sparse numbers"),
        (lambda value: value.to("meta"), "holds no numbers"),
        (lambda value: value * float("inf"), "holds NaN or infinite values"),
    ],
)
def test_values_that_would_be_lost_are_refused(change: Any, said: str, tmp_path: Path) -> None:
    state = bare()
    state["conv1.weight"] = change(state["conv1.weight"])
    torch.save(state, tmp_path / "weights.pt")
    with pytest.raises(ModelError, match=said):
        load_weights(ResNet8().module(2), tmp_path / "weights.pt")


def test_names_that_are_no_text_are_refused(tmp_path: Path) -> None:
    torch.save({1: torch.zeros(2), "conv1.weight": torch.zeros(2)}, tmp_path / "weights.pt")
    with pytest.raises(ModelError, match="a tensor is called 1; expected names"):
        load_weights(ResNet8().module(2), tmp_path / "weights.pt")

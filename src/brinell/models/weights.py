"""Checkpoints from strangers: read without unpickling, fitted by name, refused with the names that do not fit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from brinell.core import ModelError
from brinell.models.normalized import Normalized


def load_weights(model: nn.Module, path: Path) -> None:
    """Load a checkpoint into `model` in place.

    Names may have the prefix `module.` of DataParallel, and may be those of the network inside a `Normalized`. The
    tensors may be under `state_dict` or `model` of the checkpoint.

    Args:
        model: The network.
        path: Checkpoint of PyTorch, or `.safetensors` file.

    Raises:
        ModelError: The file is missing or unreadable, or names or shapes differ (the message gives the first few).

    Examples:
        >>> import brinell, pathlib, tempfile, torch
        >>> one, other = brinell.models.build("resnet8"), brinell.models.build("resnet8")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     torch.save(one.state_dict(), f"{folder}/model.pt")
        ...     load_weights(other, pathlib.Path(folder, "model.pt"))
        >>> all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters()))
        True
    """
    architecture = getattr(model, "architecture", None)
    spare = tuple(getattr(architecture, "spare", ()))
    published = getattr(architecture, "published_names", {})
    named = {_own_name(name.removeprefix("module."), published): tensor for name, tensor in _read(path).items()}
    tensors = {name: tensor for name, tensor in named.items() if not name.startswith(spare)}
    target = model.model if isinstance(model, Normalized) else model
    if isinstance(model, Normalized) and any(name.startswith("model.") for name in tensors):
        target = model
    _check(tensors, target, path, _name(model))
    target.load_state_dict(tensors)


def _read(path: Path) -> Mapping[str, Tensor]:
    if not path.is_file():
        raise ModelError(f"weights: no file at {path}")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ModelError(
            f"weights: {path} is neither a PyTorch checkpoint of plain tensors nor a .safetensors file ({reason})"
        ) from error
    for wrapper in ("state_dict", "model"):
        if isinstance(checkpoint, Mapping) and isinstance(checkpoint.get(wrapper), Mapping):
            checkpoint = checkpoint[wrapper]
    if not isinstance(checkpoint, Mapping) or not all(isinstance(value, Tensor) for value in checkpoint.values()):
        raise ModelError(f"weights: {path} holds no state_dict (a mapping of names to tensors)")
    return checkpoint


def _check(tensors: Mapping[str, Tensor], target: nn.Module, path: Path, name: str) -> None:
    wanted = target.state_dict()
    counters = {key for key in wanted if key.endswith("num_batches_tracked")}  # absent from old checkpoints
    problems = [f"{key} is missing" for key in wanted if key not in tensors and key not in counters]
    problems += [f"{key} is not part of the model" for key in tensors if key not in wanted]
    problems += [
        f"{key} is {tuple(tensors[key].shape)} in the file and {tuple(wanted[key].shape)} in the model"
        for key in wanted
        if key in tensors and tensors[key].shape != wanted[key].shape
    ]
    if problems:
        shown = "; ".join(problems[:3]) + (f"; and {len(problems) - 3} more" if len(problems) > 3 else "")
        raise ModelError(f"weights: {path} is a checkpoint of another architecture than {name}: {shown}")
    if not all(torch.isfinite(tensor).all() for tensor in tensors.values() if tensor.is_floating_point()):
        raise ModelError(f"weights: {path} holds NaN or infinite values")


def _own_name(name: str, published: Mapping[str, str]) -> str:
    return ".".join(published.get(part, part) for part in name.split("."))


def _name(model: nn.Module) -> str:
    architecture = getattr(model, "architecture", None)
    return architecture.kind if architecture is not None else type(model).__name__

"""Checkpoints from strangers: read without unpickling, fitted by name, refused with the names that do not fit."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from brinell.core import ModelError, check_regular_file, check_stored_archive
from brinell.models.normalized import Normalized

_WRAPPERS: Final = ("state_dict", "model_state_dict", "model", "net", "module", "ema")
"""Under what a checkpoint may hold its tensors, the first that it has."""

_PREFIXES: Final = ("module.", "_orig_mod.")
"""What DataParallel and `torch.compile` put before names."""

_OUTER_PREFIXES: Final = ("model.", "net.")
"""What the module around a network may put before all of its names."""

_LISTED: Final = 8
"""Names that an error lists of either side."""


def load_weights(model: nn.Module, path: str | Path) -> None:
    """Load a checkpoint into `model` in place.

    The tensors may lie under `state_dict`, `model_state_dict`, `model`, `net` or `ema`. Their names may carry `module.`
    and `_orig_mod.`, and may be those of the bare network inside a `Normalized`.

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
    path = Path(path)
    architecture = getattr(model, "architecture", None)
    spare = tuple(getattr(architecture, "spare", ()))
    published = getattr(architecture, "published_names", {})
    own = _without_prefixes(_read(path), model, path)
    named = _renamed(own, [_own_name(name, published) for name in own], path)
    tensors = {name: tensor for name, tensor in named.items() if not name.startswith(spare)}
    target = model.model if isinstance(model, Normalized) else model
    if isinstance(model, Normalized) and any(name.startswith("model.") for name in tensors):
        target = model
    _check(tensors, target, path, _name(model))
    target.load_state_dict(tensors)


def _renamed(tensors: Mapping[str, Tensor], names: Sequence[str], path: Path) -> dict[str, Tensor]:
    """The tensors under `names`, of which no two may be equal: one tensor would be lost."""
    old: dict[str, str] = {}
    for before, after in zip(tensors, names, strict=True):
        if after in old:
            raise ModelError(f"weights: {path} holds both {old[after]} and {before}, which stand for the same tensor")
        old[after] = before
    return dict(zip(names, tensors.values(), strict=True))


def _without_prefixes(tensors: Mapping[str, Tensor], model: nn.Module, path: Path) -> dict[str, Tensor]:
    """The tensors under the names that the model may have; a prefix that belongs to its own names stays."""
    wanted = model.state_dict()
    named = dict(tensors)
    while True:
        before = list(named)
        for prefix in _PREFIXES:
            if not any(name.startswith(prefix) for name in wanted):
                named = _renamed(named, [name.removeprefix(prefix) for name in named], path)
        for prefix in _OUTER_PREFIXES:
            if all(name.startswith(prefix) for name in named) and not any(name.startswith(prefix) for name in wanted):
                named = _renamed(named, [name.removeprefix(prefix) for name in named], path)
        if list(named) == before or not named:
            return named


def _read(path: Path) -> Mapping[str, Tensor]:
    """The tensors by name; their values stay in the file until they are used, where its format allows that."""
    try:
        size = check_regular_file(path).st_size
    except OSError as error:
        reason = f"no file at {path}" if isinstance(error, FileNotFoundError) else f"{path}: {error.strerror}"
        raise ModelError(f"weights: {reason}") from None
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        checkpoint = _load_plain(path, size)
    except Exception as error:
        if type(error).__name__ == "UnpicklingError":  # its text says how to run what the file says
            raise ModelError(
                f"weights: {path} holds more than plain tensors (a whole module, perhaps), or is damaged; save the "
                "state dict alone: torch.save(model.state_dict(), FILE)"
            ) from None
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ModelError(
            f"weights: {path} is neither a PyTorch checkpoint of plain tensors nor a .safetensors file ({reason})"
        ) from error
    while (inner := _unwrapped(checkpoint)) is not None:
        checkpoint = inner
    if not isinstance(checkpoint, Mapping) or not all(isinstance(value, Tensor) for value in checkpoint.values()):
        found = (
            f"; it holds {', '.join(map(str, list(checkpoint)[:_LISTED]))}" if isinstance(checkpoint, Mapping) else ""
        )
        raise ModelError(f"weights: {path} holds no state_dict (a mapping of names to tensors){found}")
    if other := [name for name in checkpoint if not isinstance(name, str)]:
        raise ModelError(f"weights: {path}: a tensor is called {other[0]!r:.60}; expected names")
    return checkpoint


def _load_plain(path: Path, size: int) -> object:
    """PyTorch's checkpoint. Of a zip file, values are mapped; it may not hold more than its own bytes."""
    if not zipfile.is_zipfile(path):
        return torch.load(path, map_location="cpu", weights_only=True)
    with zipfile.ZipFile(path) as archive:
        check_stored_archive(archive, size)
    return torch.load(path, map_location="cpu", weights_only=True, mmap=True)


def _unwrapped(checkpoint: object) -> Mapping[str, object] | None:
    """What lies under a usual name, where the checkpoint holds more than tensors."""
    if not isinstance(checkpoint, Mapping):
        return None
    return next((checkpoint[name] for name in _WRAPPERS if isinstance(checkpoint.get(name), Mapping)), None)


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
    problems += [
        f"{key} holds {_kind(tensors[key])} numbers in the file and {_kind(wanted[key])} ones in the model"
        for key in wanted
        if key in tensors and _kind(tensors[key]) != _kind(wanted[key])
    ]
    if problems:
        shown = "; ".join(problems[:3]) + (f"; and {len(problems) - 3} more" if len(problems) > 3 else "")
        raise ModelError(
            f"weights: {path} is a checkpoint of another architecture than {name}: {shown}\n"
            f"in the file: {_listed(tensors)}\nin the model: {_listed(wanted)}"
        )
    for key, tensor in tensors.items():
        _check_values(tensor, wanted[key].dtype, f"weights: {path}: {key}")


def _check_values(tensor: Tensor, dtype: torch.dtype, where: str) -> None:
    """Refuse what would be another value in the model's type: infinities, and integers that are too large."""
    converted = tensor.to(dtype)
    if converted.is_floating_point():
        if not torch.isfinite(converted).all():
            found = "NaN or infinite values" if converted.dtype == tensor.dtype else f"values beyond {dtype}"
            raise ModelError(f"{where} holds {found}")
    elif not torch.equal(converted.to(tensor.dtype), tensor):
        raise ModelError(f"{where} holds values beyond {dtype}")


def _kind(tensor: Tensor) -> str:
    """Numbers of one kind become another's only with a loss, such as a complex number's imaginary part."""
    if tensor.layout != torch.strided or tensor.is_quantized or tensor.device.type != "cpu":
        return "sparse" if tensor.layout != torch.strided else "quantised" if tensor.is_quantized else "no"
    if tensor.is_complex():
        return "complex"
    if tensor.is_floating_point():
        return "floating-point"
    return "Boolean" if tensor.dtype == torch.bool else "integer"


def _listed(names: Mapping[str, Tensor]) -> str:
    """The first few names, in order, with their shapes."""
    shown = [f"{name} {tuple(tensor.shape)}" for name, tensor in list(names.items())[:_LISTED]]
    more = f", and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"{', '.join(shown) or 'nothing'}{more}"


def _own_name(name: str, published: Mapping[str, str]) -> str:
    return ".".join(published.get(part, part) for part in name.split("."))


def _name(model: nn.Module) -> str:
    architecture = getattr(model, "architecture", None)
    return architecture.kind if architecture is not None else type(model).__name__

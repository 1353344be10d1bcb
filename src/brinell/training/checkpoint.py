"""A training run on disk: one safetensors file, replaced atomically, that a killed run goes on from bit for bit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.optim import Optimizer

from brinell.core import StoreError
from brinell.data import Dataset
from brinell.store import (
    CONTENT_HASH_FIELD,
    UNFILLED_CONTENT_HASH,
    content_hash_fits,
    with_content_hash,
    write_bytes,
)
from brinell.training.history import Epoch, History
from brinell.training.settings import Train

FILE = "training.safetensors"
_METADATA = "brinell.training"


@dataclass
class Position:
    """Where a run stands: the next batch of the epoch under way, and what has been summed up in it so far."""

    epoch: int = 0
    batch: int = 0
    loss_sum: float = 0.0
    seen: int = 0
    seconds: float = 0.0
    records: list[Epoch] = field(default_factory=list)


@dataclass(frozen=True)
class Checkpoint:
    """The file `training.safetensors` in a folder that belongs to one run, told by its `identity`."""

    folder: Path
    stage: str
    identity: Mapping[str, str]

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / FILE

    def save(self, module: nn.Module, optimizer: Optimizer, position: Position) -> None:
        """Replace the file; a kill at any moment leaves the old one or the new one whole.

        Raises:
            StoreError: the folder cannot be written; the old file is untouched.
        """
        tensors = {f"module.{name}": _host(tensor) for name, tensor in module.state_dict().items()}
        for name, state in _states(module, optimizer).items():
            tensors |= {f"optimizer.{name}.{key}": _host(value) for key, value in state.items()}
        metadata = {"stage": self.stage, "identity": dict(self.identity), "position": asdict(position)}
        data = save(tensors, {_METADATA: json.dumps(metadata), CONTENT_HASH_FIELD: UNFILLED_CONTENT_HASH})
        write_bytes(self.path, with_content_hash(data, FILE))

    def resume(self, module: nn.Module, optimizer: Optimizer) -> Position:
        """Put `module` and `optimizer` where the file left them; the start where there is no file.

        Raises:
            StoreError: the file is damaged, or of a run with other settings, data, seed or starting weights.
        """
        if not self.path.is_file():
            return Position()
        metadata, tensors = _read(self.path)
        differing = [part for part, value in self.identity.items() if metadata["identity"].get(part) != value]
        if differing:
            raise StoreError(
                f"{self.path} is the checkpoint of another run ({', '.join(differing)} differ); "
                "delete it, or give another checkpoint folder"
            )
        states = _states(module, optimizer)
        try:
            module.load_state_dict({name: tensors.pop(f"module.{name}") for name in module.state_dict()})
            with torch.no_grad():
                for name, state in states.items():
                    for key, value in state.items():
                        value.copy_(tensors.pop(f"optimizer.{name}.{key}"))
        except (KeyError, RuntimeError) as error:
            raise StoreError(f"{self.path} is damaged: {error}; delete it to start over") from error
        return _position(metadata)


def histories(folder: Path) -> tuple[History, ...]:
    """Training histories stored in the checkpoints in `folder` and its subfolders, ordered by name.

    Args:
        folder: Of a training's checkpoints; it need not exist.

    Returns:
        One a stage.

    Raises:
        StoreError: A checkpoint is damaged.

    Examples:
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     histories(pathlib.Path(folder))
        ()
    """
    found = []
    for path in sorted(Path(folder).rglob(FILE)):
        metadata, _ = _read(path, tensors=False)
        found.append(History(metadata["stage"], tuple(_position(metadata).records)))
    return tuple(found)


def identity(module: nn.Module, data: Dataset, train: Train, seed: int, context: str) -> dict[str, str]:
    """What must be equal for one run to go on from the checkpoint of another, by name."""
    shapes = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    trained = [name for name, parameter in module.named_parameters() if parameter.requires_grad]
    return {
        "settings": train.key,
        "seed": str(seed),
        "context": context,
        "data": digest({"ids": data.ids}, data.fingerprint),
        "parameters": digest({}, f"{shapes} {trained}"),
        "starting weights": digest(module.state_dict()),
    }


def digest(tensors: Mapping[str, Tensor], text: str = "") -> str:
    """SHA-256 of names and values of tensors and of a text, in hexadecimal.

    Args:
        tensors: By name, on any device; their order counts.
        text: Hashed before them.

    Returns:
        64 hexadecimal digits.

    Examples:
        >>> import torch
        >>> digest({"weight": torch.zeros(2)}) == digest({"weight": torch.ones(2)})
        False
    """
    state = hashlib.sha256(text.encode())
    for name, tensor in tensors.items():
        state.update(name.encode())
        state.update(_host(tensor).reshape(-1).view(torch.uint8).numpy().tobytes())
    return state.hexdigest()


def _states(module: nn.Module, optimizer: Optimizer) -> dict[str, dict[str, Tensor]]:
    """The optimiser's tensors by the names of the parameters they belong to."""
    return {
        name: {key: value for key, value in optimizer.state[parameter].items() if isinstance(value, Tensor)}
        for name, parameter in module.named_parameters()
        if parameter in optimizer.state
    }


def _host(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().contiguous().clone()


def _position(metadata: Mapping[str, Any]) -> Position:
    stored = dict(metadata["position"])
    return Position(**{**stored, "records": [Epoch(**record) for record in stored["records"]]})


def _read(path: Path, *, tensors: bool = True) -> tuple[dict[str, Any], dict[str, Tensor]]:
    try:
        data = path.read_bytes()
        if not content_hash_fits(data, FILE):
            raise StoreError("its content is not what was written")
        with safe_open(path, framework="pt") as file:
            metadata = json.loads((file.metadata() or {})[_METADATA])
        return {name: metadata[name] for name in ("stage", "identity", "position")}, load(data) if tensors else {}
    except Exception as error:  # safetensors raises its own, the system's, and (on damage) several of Python's
        raise StoreError(f"{path} is no checkpoint that can be read: {error}; delete it to start over") from error

"""What of a network of somebody's code goes into keys: its weights, and the source of the code that it runs.

Neither depends on the machine or on the version of PyTorch, as a graph of it may.
"""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import torch
from torch import nn


def weights_digest(module: nn.Module) -> str:
    """SHA-256 of all tensors of the state, with their names."""
    digest = hashlib.sha256()
    for name, value in module.state_dict().items():
        if isinstance(value, torch.Tensor):
            digest.update(f"{name}{tuple(value.shape)}{value.dtype}".encode())
            digest.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def code_digest(module: nn.Module, factory: str) -> str:
    """SHA-256 of the source files of the network's classes, of the module `factory`, and of what those import.

    Only files in the folders of these modules, or below the packages that they belong to, count, and PyTorch's do not.
    Where they lie does not matter, beyond their places within their folder, nor what the file of the factory is called.
    """
    names = {factory, *(type(part).__module__ for part in module.modules())}
    start = [sys.modules[name] for name in sorted(names) if _is_own(name)]
    folders = [folder for each in start if (folder := _folder(each)) is not None]
    files: dict[str, Path] = {}
    waiting, seen = list(start), {id(each) for each in start}
    while waiting:
        each = waiting.pop()
        path = _file(each)
        folder = next((folder for folder in folders if path is not None and path.is_relative_to(folder)), None)
        if path is None or folder is None:
            continue
        files["" if each.__name__ == factory else path.relative_to(folder).as_posix()] = path
        for other in _imported(each, path):
            if id(other) not in seen:
                seen.add(id(other))
                waiting.append(other)
    digest = hashlib.sha256()
    for place, path in sorted(files.items()):
        digest.update(f"{place}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _is_own(name: str) -> bool:
    return name in sys.modules and name.partition(".")[0] != "torch"


def _file(module: ModuleType) -> Path | None:
    path = getattr(module, "__file__", None)
    return Path(path).resolve() if path and path.endswith(".py") and Path(path).is_file() else None


def _folder(module: ModuleType) -> Path | None:
    """That of a file, or of the whole package that a module belongs to."""
    path = _file(module)
    if path is None:
        return None
    package = sys.modules.get(module.__name__.partition(".")[0])
    top = None if package is None else _file(package)
    return (path if top is None else top).parent


def _imported(module: ModuleType, path: Path) -> Iterator[ModuleType]:
    """Modules that the source of a module imports anywhere, as far as they are loaded."""
    package = module.__name__.rpartition(".")[0] if path.name != "__init__.py" else module.__name__
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
            source = ".".join([*above, *([node.module] if node.module else [])])
            names = [source, *(f"{source}.{alias.name}" for alias in node.names)]
        else:
            continue
        yield from (sys.modules[name] for name in names if _is_own(name))

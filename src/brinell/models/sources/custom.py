"""Networks from the user's own code."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import Field, model_validator
from torch import nn

from brinell.core import ConfigurationError, ModelError, choices
from brinell.models.sources.network_digests import code_digest
from brinell.models.sources.network_source import LoadedNetwork, NetworkSource
from brinell.models.weights import load_weights


class CustomNetwork(NetworkSource):
    """What the function `factory` of a file or of an importable module returns: a `torch.nn.Module`.

    Loading it runs that code, so that `load` needs `trusted=True`.

    In a study: `{kind: custom, file: networks.py, factory: resnet4b, weights: resnet4b.safetensors}`.

    Examples:
        >>> source = CustomNetwork(module="torch.nn", factory="Linear", arguments={"in_features": 3, "out_features": 2})
        >>> source.describe_code()
        'torch.nn:Linear(in_features=3, out_features=2)'
    """

    kind = "custom"
    runs_code = True
    brings_weights = True

    file: Path | None = None
    """A Python file, which may import what lies beside it."""
    module: str | None = None
    """An importable one, such as `my_package.models`."""
    factory: str = "build"
    """A function, a class, or a class method such as `Net.from_name`; it is called with `arguments`."""
    arguments: Mapping[str, Any] = Field(default_factory=dict)
    """Of the factory, by name."""
    weights: Path | None = None
    """A checkpoint, where the factory does not load one itself."""

    @model_validator(mode="after")
    def _one_place(self) -> CustomNetwork:
        if self.file is not None and self.module is not None:
            raise ValueError("file and module exclude each other: give a Python file or an importable module")
        return self

    def __hash__(self) -> int:
        return hash(json.dumps(self.config(), sort_keys=True, default=str))

    def describe_code(self) -> str:
        """The file, the function and its arguments."""
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())
        return f"{self.file or self.module}:{self.factory}({arguments})"

    def load(self, input_shape: tuple[int, int, int] | None = None, *, trusted: bool = False) -> LoadedNetwork:
        """The network of images of `input_shape`, which no code declares."""
        if self.file is None and self.module is None:
            raise ConfigurationError("kind custom: file is missing; give a Python file, or module an importable module")
        self.check_trust(trusted)
        if input_shape is None:
            raise ModelError(f"{self.describe_code()}: the shape of its images is needed: give input_shape, or data")
        factory, defined_in = self._find()
        network = self._build(factory)
        if self.weights is not None:
            load_weights(network, self.weights)
        return replace(
            self.loaded(network, input_shape, where=self.describe_code()), code_digest=code_digest(network, defined_in)
        )

    def _find(self) -> tuple[Callable[..., Any], str]:
        """The factory, and the name of the module that it was found in."""
        module = _import_file(self.file) if self.file is not None else _import_module(str(self.module))
        found: Any = module
        for name in self.factory.split("."):
            found = getattr(found, name, None)
        if not callable(found):
            known = [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]
            place = self.file or self.module
            raise ModelError(f"factory: {place} has no {self.factory}; {choices(self.factory, known)}")
        factory: Callable[..., Any] = found
        return factory, module.__name__

    def _build(self, factory: Callable[..., Any]) -> nn.Module:
        with _one_error(f"{self.describe_code()} failed"):
            network = factory(**self.arguments)
        if not isinstance(network, nn.Module):
            raise ModelError(
                f"{self.describe_code()}: expected a torch.nn.Module, not {type(network).__module__}."
                f"{type(network).__qualname__}"
            )
        return network


def _import_file(path: Path) -> ModuleType:
    """The module of a file, which may import what lies beside it."""
    if not path.is_file():
        raise ModelError(f"file: no file at {path}")
    name = f"brinell_custom_{path.stem}_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]}"
    specification = importlib.util.spec_from_file_location(name, path)
    if specification is None or specification.loader is None:
        raise ModelError(f"file: {path} is no Python file")
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module  # what deep copies and exports look classes up in
    sys.path.insert(0, str(path.resolve().parent))
    try:
        with _one_error(f"{path} cannot be imported"):
            specification.loader.exec_module(module)
    except ModelError:
        del sys.modules[name]
        raise
    finally:
        sys.path.remove(str(path.resolve().parent))
    return module


def _import_module(name: str) -> ModuleType:
    with _one_error(f"module: {name!r} cannot be imported"):
        return importlib.import_module(name)


@contextmanager
def _one_error(what: str) -> Iterator[None]:
    """The user's own code: whatever it raises is one error, with the line that raised it."""
    try:
        yield
    except (Exception, SystemExit) as error:
        reason = " ".join(str(error).split())[:300]
        raise ModelError(f"{what}: {type(error).__name__}: {reason}{_place(error)}") from error


def _place(error: BaseException) -> str:
    """The line of the user's code that raised it; nothing where none did."""
    if isinstance(error, SyntaxError):
        return ""  # its text names the line
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename != __file__ and not frame.filename.startswith("<frozen")]
    own = [frame for frame in own if Path(frame.filename).parent != Path(importlib.__file__).parent]
    return f" ({own[-1].filename}:{own[-1].lineno})" if own else ""

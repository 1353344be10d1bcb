"""MODEL on the command line: a file, a built-in kind, code, or a library's network, as a variant."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from brinell.cli.display.console import err
from brinell.core import ConfigurationError

if TYPE_CHECKING:
    from brinell.data import Dataset
    from brinell.variants import Variant

Shape = tuple[int, int, int]

GRAMMAR: Final = (
    "a .brinell, .pt2 or .onnx file; hf://USER/REPO/FILE.brinell; FILE.py:FACTORY or MODULE:FACTORY; timm:NAME or "
    "torchvision:NAME; or a built-in kind (brinell list models)"
)
HELP: Final = """MODEL is a .brinell file, or one of the Hugging Face hub as hf://USER/REPO/FILE.brinell; a .pt2 file of
torch.export or an .onnx file; code of your own, as networks.py:build or package.module:build; timm:NAME or
torchvision:NAME; or a built-in kind (brinell list models).
--weights is its checkpoint; --set model.SETTING changes its settings, such as model.mean."""

Model = Annotated[str, typer.Argument(metavar="MODEL", help=f"{GRAMMAR[0].upper()}{GRAMMAR[1:]}.")]
Weights = Annotated[
    Path | None, typer.Option("--weights", metavar="FILE", help="Checkpoint, where MODEL is a kind or code.")
]
InputShape = Annotated[
    str | None,
    typer.Option("--input-shape", metavar="C,H,W", help="Of images, where MODEL is code, which declares none."),
]

_CHECKPOINTS: Final = (".safetensors", ".pt", ".pth", ".th", ".ckpt", ".bin")
_LIBRARIES: Final = ("timm", "torchvision")


@dataclass(frozen=True)
class ModelArgument:
    """What MODEL names: a `.brinell` file, or the settings of a network that is built or loaded."""

    text: str
    file: Path | None
    """The `.brinell` file."""
    settings: Mapping[str, Any]
    """Of `brinell.models.NETWORKS`, where it is no `.brinell` file."""

    def study_settings(self) -> dict[str, Any]:
        """What a study holds of it, under `models`."""
        settings = self.settings if self.file is None else {"kind": "packed", "file": self.file}
        return {name: str(value) if isinstance(value, Path) else value for name, value in settings.items()}

    def declared_shape(self) -> Shape | None:
        """The shape of images that the network declares; `None` for code, which declares none."""
        from brinell.container import inspect
        from brinell.models import MODELS, NETWORK_SOURCES

        if self.file is not None:
            return inspect(self.file).input_shape
        kind = self.settings["kind"]
        if kind in MODELS:
            return MODELS.parse(_without(self.settings, "weights"), "model").input_shape
        return None if kind == "custom" else NETWORK_SOURCES.parse(self.settings, "model").load().input_shape

    def variant(self, images: Dataset | None = None, input_shape: Shape | None = None) -> Variant:
        """The network, of images of `input_shape`; with `images` of a data set it has its classes and is tried on them.

        Raises:
            ConfigurationError: it has other classes than the data, or lacks weights or the shape of its images.
            ModelError, StoreError: it cannot be loaded.
        """
        from brinell.container import load
        from brinell.models import MODELS

        shape = input_shape if images is None else images.input_shape
        if self.file is not None:
            return load(self.file)
        built_in = self.settings["kind"] in MODELS
        return self._built_in(images, shape) if built_in else self._loaded(images, shape)

    @contextmanager
    def as_file(self, input_shape: Shape | None = None) -> Iterator[Path]:
        """Its `.brinell` file: the one that was named, or a temporary one of the network."""
        from brinell.container import save

        if self.file is not None:
            yield self.file
            return
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "network.brinell")
            save(self.variant(input_shape=input_shape), file)
            yield file

    def _built_in(self, images: Dataset | None, shape: Shape | None) -> Variant:
        from brinell.models import MODELS, load_weights
        from brinell.variants import Variant

        kind, weights = self.settings["kind"], self.settings.get("weights")
        if weights is None:
            raise ConfigurationError(f"{kind}: give a checkpoint with --weights; fresh weights are random")
        given = _without(self.settings, "kind", "weights")
        if images is not None:
            given = {"classes": images.classes, "in_channels": images.input_shape[0], **given}
        architecture = MODELS[kind].parse(given, kind)
        module = architecture.module().eval()
        load_weights(module, Path(weights))
        return Variant.of(module, input_shape=shape or architecture.input_shape, classes=architecture.classes)

    def _loaded(self, images: Dataset | None, shape: Shape | None) -> Variant:
        from brinell.models import NETWORK_SOURCES, load_source
        from brinell.variants import Variant

        source = NETWORK_SOURCES.parse(self.settings, "model")
        loaded = load_source(source, shape, trusted=True)  # who names code on the command line runs it
        if images is not None and loaded.classes != images.classes:
            raise ConfigurationError(
                f"{self.text}: it has {loaded.classes} classes; {images.name} has {images.classes}"
            )
        if loaded.needs_code is not None:
            err.print(
                f"{self.text}: files of it will need its code: {loaded.needs_code[:300]}", markup=False, soft_wrap=True
            )
        if images is not None and source.mean is None:
            _suggest_normalization(self.text, loaded.module, images)
        return Variant.of(loaded.module, input_shape=loaded.input_shape, classes=loaded.classes)


def read_model(text: str, weights: Path | None = None, changes: Mapping[str, Any] | None = None) -> ModelArgument:
    """What the argument names.

    Raises:
        ConfigurationError: nothing; what is accepted.
    """
    from brinell.container.hub import HUB_SCHEME, download

    settings = None if text.startswith(HUB_SCHEME) else _settings(text)
    given = {**(changes or {}), **({} if weights is None else {"weights": weights})}
    if settings is None and given:
        raise ConfigurationError(
            f"{text}: a .brinell file holds its settings and weights; leave out {', '.join(given)}"
        )
    file = None if settings is not None else download(text) if text.startswith(HUB_SCHEME) else Path(text)
    return ModelArgument(text, file, {**(settings or {}), **given})


def names_apart(texts: Sequence[str]) -> list[str]:
    """File names where they differ, otherwise paths without the folders, and the file name, that all have in common."""
    names = [Path(text).name for text in texts]
    if len(set(names)) == len(names):
        return names
    try:
        common = os.path.commonpath([str(Path(text).parent) for text in texts])
    except ValueError:  # absolute and relative ones, or several drives
        return list(texts)
    shown = [os.path.relpath(text, common) if common else text for text in texts]
    folders = [str(Path(text).parent) for text in shown]
    return folders if len(set(names)) == 1 and len(set(folders)) == len(folders) and "." not in folders else shown


def parse_shape(text: str | None) -> Shape | None:
    """`3,32,32` as numbers.

    Raises:
        ConfigurationError: it is none.
    """
    if text is None:
        return None
    parts = text.replace("x", ",").split(",")
    if len(parts) != 3 or not all(part.strip().isdigit() and int(part) for part in parts):
        raise ConfigurationError(f"--input-shape: expected CHANNELS,HEIGHT,WIDTH, such as 3,32,32, not {text!r}")
    channels, height, width = map(int, parts)
    return channels, height, width


def _settings(text: str) -> dict[str, Any] | None:
    """The mapping that a study would hold; `None` for a `.brinell` file."""
    from brinell.models import MODELS

    path, (before, colon, after) = Path(text), text.rpartition(":")
    if path.suffix in (".pt2", ".onnx"):
        return {"kind": "exported" if path.suffix == ".pt2" else "onnx", "file": text}
    if path.suffix == ".py":
        return {"kind": "custom", "file": text}
    if colon and before in _LIBRARIES:
        return {"kind": before, "name": after}
    if colon and before:
        place = "file" if before.endswith(".py") else "module"
        return {"kind": "custom", place: before, "factory": after}
    if text in MODELS:
        return {"kind": text}
    if path.suffix in _CHECKPOINTS:
        raise ConfigurationError(
            f"{text}: a checkpoint holds no network; name the network, and give the checkpoint with --weights {text}"
        )
    if path.is_file() or path.suffix == ".brinell":
        return None
    raise ConfigurationError(
        f"no file at {text}, and no model of that kind; a MODEL is {GRAMMAR}; models: {', '.join(MODELS)}"
    )


def _suggest_normalization(text: str, module: Any, images: Dataset) -> None:
    """Say what to set, where the network is much better on normalised images."""
    from brinell.models import suggest_normalization

    part = images.take(min(200, len(images)))
    found = suggest_normalization(module, *part.tensors())
    if found is not None:
        err.print(f"{text}: {found} (--set model.mean=... --set model.std=...)", markup=False, soft_wrap=True)


def _without(settings: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name not in names}

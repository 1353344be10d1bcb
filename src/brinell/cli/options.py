"""What `brinell attack` and `brinell compress` read from their options: data, settings, a network."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from brinell.core import ConfigurationError

if TYPE_CHECKING:
    from brinell.data import Dataset
    from brinell.variants import Variant

DataKind = Annotated[str, typer.Option("--data", metavar="KIND", help="Data set (brinell list datasets).")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of everything random.")]
RuntimeName = Annotated[
    str | None,
    typer.Option(
        "--runtime", metavar="NAME", help="What judges the networks, such as openvino (brinell list runtimes)."
    ),
]
Weights = Annotated[
    Path | None, typer.Option("--weights", metavar="FILE", help="Checkpoint, where MODEL is a model's kind.")
]


def settings(changes: Iterable[str], kind: str, data: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The mappings of the member called `kind` and of the data set, with `--set` applied to them.

    A path that begins with `data.` is the data set's.
    """
    from brinell.study.reading import override

    changed = override({"data": {"kind": data}}, changes)
    place = changed.pop("data")
    if not isinstance(place, dict):
        raise ConfigurationError("--set data: set its fields, such as data.root=FOLDER")
    return {"kind": kind, **changed}, place


def dataset(config: dict[str, Any], split: str, examples: int | None = None) -> Dataset:
    """One split, or the first `examples` of its seeded order."""
    from brinell.data import DATASETS

    found = DATASETS.parse(config, "data").load(split)
    return found if examples is None else found.take(min(examples, len(found)))


def network(name: str, weights: Path | None, data: Dataset) -> Variant:
    """A `.brinell` file, or a model by its kind with a checkpoint.

    Raises:
        ConfigurationError: neither a file nor a kind, or a kind without weights.
    """
    from brinell.container import load
    from brinell.models import MODELS, build
    from brinell.variants import Variant

    if weights is None and Path(name).is_file():
        return load(name)
    if name not in MODELS:
        raise ConfigurationError(f"no file at {name}, and no model of that kind; models: {', '.join(MODELS)}")
    if weights is None:
        raise ConfigurationError(f"{name}: give a checkpoint with --weights; fresh weights are random")
    module = build(name, weights=weights, classes=data.classes, in_channels=data.input_shape[0])
    return Variant.of(module, input_shape=data.input_shape, classes=data.classes)

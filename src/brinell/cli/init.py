"""`brinell init`: look at a network and at images, and write a study that fits both and the time."""

from __future__ import annotations

import importlib.util
import re
import shlex
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from brinell.cli.arguments.data_argument import Data, load_data, with_shape
from brinell.cli.arguments.model_argument import HELP as MODEL_HELP
from brinell.cli.arguments.model_argument import Model, ModelArgument, Weights, read_model
from brinell.cli.arguments.options import read_settings
from brinell.cli.display.console import Debug, Settings, out
from brinell.core import ConfigurationError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from brinell.data import Dataset
    from brinell.study import Study
    from brinell.study.draft import Look, Work
    from brinell.variants import Variant

HELP = f"""Look at a network and at images, and write a first study of them, with comments.

It measures accuracy on 200 images and the time of a pass, chooses compressors that make sense, radii at which attacks
begin to tell networks apart, and numbers of epochs and images that fit the time. [bold]brinell run[/] then answers.

{MODEL_HELP} --set data.SETTING changes the data set's.

[bold]Example[/]

$ brinell init networks.py:build --weights mine.safetensors --data photographs --hours 2

$ brinell run study.yaml --trust-code
"""

_EXAMPLES: Final = 200
_TIMED_SECONDS: Final = 2.0
_BATCH: Final = 32
_RADII: Final = (1, 2, 4, 8, 16, 32)


def init(
    model: Model,
    data: Data,
    hours: Annotated[float, typer.Option("--hours", help="How long the study may take, on this machine.")] = 1.0,
    target: Annotated[Path, typer.Option("--out", metavar="FILE", help="The study to write.")] = Path("study.yaml"),
    changes: Settings = None,
    weights: Weights = None,
    split: Annotated[str, typer.Option(help="Split to test on.")] = "test",
    debug: Debug = False,
) -> None:
    """See `HELP`."""
    from brinell.study import Study
    from brinell.study.draft import Sizes, fit_sizes, sections, write_draft
    from brinell.study.reading import parse_yaml

    if hours <= 0:
        raise ConfigurationError(f"--hours: expected more than 0, not {hours:g}")
    if target.exists():
        raise ConfigurationError(f"{target} exists; give another file with --out")
    given = read_settings(changes, data=data)
    named = read_model(model, weights, given.model)
    place = _sized(given.data, named)
    train, test = load_data(place, "train"), load_data(place, split)
    variant = named.variant(test)
    normalization = _find_normalization(variant, named, test)
    if normalization:
        variant = read_model(model, weights, {**given.model, **normalization}).variant(test)
    model_settings = {**named.study_settings(), **normalization}
    look = _look(variant, train, test)
    name, int8 = re.sub(r"[^A-Za-z0-9_-]+", "-", target.stem).strip("-_") or "study", _has_onnx()
    one, two = (sections(name, place, model_settings, look, Sizes(n, None, 100), int8=int8) for n in (1, 2))
    work = _work(*(Study.parse(each) for each in (one, two)))
    study = sections(name, place, model_settings, look, fit_sizes(look, work, hours), int8=int8)
    trust = " --trust-code" if model_settings["kind"] == "custom" else ""
    command = f"brinell run {shlex.quote(str(target))}{trust}"
    text = write_draft(study, look, hours, command)
    Study.parse(parse_yaml(text))
    target.write_text(text, encoding="utf-8")
    _print(look, train, test)
    counts = f"{len(study['variants'])} variants, {len(study['attacks'])} attacks, about {hours:g} hours"
    out.print(f"{target}: {counts}; next: {command}", markup=False, soft_wrap=True)


def _sized(settings: Mapping[str, Any], named: ModelArgument) -> dict[str, Any]:
    """The data with images of the size that the network declares, or, for code, that the images themselves have."""
    from brinell.data import common_size

    shape = named.declared_shape()
    if shape is None and settings.get("kind") == "images" and "size" not in settings and "root" in settings:
        size = common_size(Path(settings["root"]))
        return dict(settings) if size is None else {**settings, "size": list(size)}
    return with_shape(settings, shape)


def _find_normalization(variant: Variant, named: ModelArgument, test: Dataset) -> dict[str, Any]:
    """The mean and deviation that make the network much more accurate, where it has none."""
    from brinell.models import MODELS, best_normalization

    if named.file is not None or named.settings["kind"] in MODELS or "mean" in named.settings:
        return {}
    found = best_normalization(variant.deployed(), *test.take(min(_EXAMPLES, len(test))).tensors())
    return {} if found is None else {"mean": list(found[0]), "std": list(found[1])}


def _look(variant: Variant, train: Dataset, test: Dataset) -> Look:
    import torch

    from brinell.container import write
    from brinell.costs import layers, measure
    from brinell.study.draft import Look
    from brinell.study.pass_time import seconds_of_pass

    module = variant.deployed()
    images, labels = test.take(min(_EXAMPLES, len(test))).tensors()
    with torch.inference_mode():
        accuracy = _accuracy(module, images, labels)
    seconds = seconds_of_pass(module, images[:_BATCH], _TIMED_SECONDS)
    costs = measure(variant)
    with tempfile.TemporaryDirectory() as folder:
        file_bytes = write(variant, Path(folder, "network.brinell"), effort="fast")
    return Look(
        accuracy=accuracy,
        examples=len(labels),
        layers=len(layers(variant.view(), variant.input_shape)),
        macs=costs.macs,
        parameters=costs.parameters,
        file_bytes=file_bytes,
        seconds=seconds,
        epsilon=_radius(variant, images, labels, accuracy),
        train_examples=len(train),
        test_examples=len(test),
    )


def _accuracy(module: nn.Module, images: Tensor, labels: Tensor) -> float:
    import torch

    predictions = torch.cat([module(part).argmax(1) for part in images.split(_BATCH)])
    return float((predictions == labels).double().mean())


def _radius(variant: Variant, images: Tensor, labels: Tensor, accuracy: float) -> int:
    """Of some radii in 1/255 the one at which FGSM leaves the accuracy nearest to half."""
    import brinell
    from brinell.attacks import FGSM

    part = min(100, len(labels))
    left = {
        radius: brinell.attack(variant, images[:part], labels[:part], FGSM(epsilon=radius / 255)).robust_accuracy
        for radius in _RADII
    }
    return min(left, key=lambda radius: abs(left[radius] - accuracy / 2))


def _work(one: Study, two: Study) -> Work:
    """Passes of the same study with one epoch and with two, of 100 test examples."""
    from brinell.study import Splits, plan, tasks, training_examples
    from brinell.study.draft import Work

    passes = []
    for study in (one, two):
        splits = Splits(study.data)
        planned = plan(study, splits)
        every = tasks(planned, training_examples=training_examples(planned, splits))
        passes.append(
            {kind: sum(t.passes for t in every if t.kind == kind) for kind in ("making", "judging", "asking")}
        )
    epoch = passes[1]["making"] - passes[0]["making"]
    examples = one.data.test.examples or 1
    return Work(epoch, passes[0]["making"] - epoch, passes[0]["judging"] / examples, passes[0]["asking"] / examples)


def _has_onnx() -> bool:
    return all(importlib.util.find_spec(name) is not None for name in ("onnx", "onnxruntime"))


def _print(look: Look, train: Dataset, test: Dataset) -> None:
    lines = (
        f"network  {look.layers} layers, {look.parameters:,} parameters, {look.macs:,} MACs, {look.file_bytes:,} bytes",
        f"images   {len(train):,} to train on, {len(test):,} to test on, {test.classes} classes, {test.input_shape}",
        f"accuracy {look.accuracy:.1%} of {look.examples}; FGSM leaves about half of it within {look.epsilon:g}/255",
        f"time     {1000 * look.seconds:.3g} ms a pass of one image",
    )
    for line in lines:
        out.print(line, markup=False, soft_wrap=True)

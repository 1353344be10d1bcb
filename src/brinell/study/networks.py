"""The models of a study, loaded: built in, from a file, from a library, or from code that the study names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import nn

from brinell.container import PackedNetwork
from brinell.core import BrinellError, ConfigurationError, ModelError, file_digest
from brinell.data import Dataset
from brinell.models import Architecture, LoadedNetwork, NetworkSource, load_source, load_weights
from brinell.study.config import Model
from brinell.study.study import Study
from brinell.variants import Variant, natural_view, views_of


@dataclass(frozen=True, eq=False)
class StudyNetwork:
    """A model that has been loaded and found to fit the data."""

    network: nn.Module | Variant
    """The module, or what a file has packed."""
    kind: str
    architecture: Architecture | None
    """`None` where only the code that built it can build it again."""
    identity: dict[str, Any]
    """What of it decides results, for the keys of its variants."""
    view: str = "exact"
    """The gradient that a white-box attacker begins with (`natural_view`)."""
    has_surrogates: bool = False
    """Whether it has binary layers."""

    def variant(self, input_shape: tuple[int, int, int], classes: int) -> Variant:
        """The variant of the model as it is."""
        if isinstance(self.network, Variant):
            return self.network
        return Variant.of(self.network, input_shape=input_shape, classes=classes)


def check_code_is_trusted(study: Study, trusted: bool) -> None:
    """Refuse a study that names code, unless it may run.

    Args:
        study: The study.
        trusted: Whether its code may run.

    Raises:
        ConfigurationError: everything that would be run, and how to allow it.

    Examples:
        >>> from brinell.study.reading import find
        >>> check_code_is_trusted(Study.from_yaml(find("quickstart")), trusted=False)
    """
    sources = {name: model.source for name, model in study.models.items()}
    code = {name: source.describe_code() for name, source in sources.items() if source is not None and source.runs_code}
    if code and not trusted:
        listed = "; ".join(f"models.{name} would run {described}" for name, described in code.items())
        raise ConfigurationError(f"{listed}. If you trust that code, add --trust-code (in Python trust_code=True)")


def load_module(model: Model, input_shape: tuple[int, int, int], seed: int) -> nn.Module:
    """The module of a model, with its weights, or fresh ones that `seed` decides.

    Raises:
        ModelError: it cannot be loaded.
    """
    if model.source is not None:
        return _load(model.source, input_shape, seed).module
    module: nn.Module = model.architecture.module(seed)
    if model.weights is not None:
        load_weights(module, model.weights)
    return module


def load_variant(model: Model, input_shape: tuple[int, int, int], classes: int, seed: int) -> Variant:
    """The variant of a model as it is: of its module (`load_module`), or what a file has packed.

    Raises:
        ModelError, StoreError: it cannot be loaded.
    """
    if isinstance(model.source, PackedNetwork):
        return model.source.variant(input_shape)
    return Variant.of(load_module(model, input_shape, seed), input_shape=input_shape, classes=classes)


def load_network(model: Model, where: str, test: Dataset, *, trained: bool) -> StudyNetwork:
    """The network of a model, once it and its weights are known to fit the data.

    `trained` is whether every variant that is made of it trains, so that fresh weights will do.

    Raises:
        ConfigurationError: it has other classes or channels than the data.
        ModelError: it cannot be loaded, or its weights are random and nothing trains them.
    """
    if model.source is None:
        return _built_in(model, model.architecture, where, test)
    with within_place(f"{where}."):
        if isinstance(model.source, PackedNetwork):
            return _packed(model.source, test)
        return _from_source(model.source, where, test, trained)


def _packed(source: PackedNetwork, test: Dataset) -> StudyNetwork:
    variant = source.variant(test.input_shape)
    _check_classes(source, variant.classes, test)
    attacked = variant.view()
    return StudyNetwork(
        variant,
        source.kind,
        variant.architecture,
        {"source": source.identity()},
        natural_view(attacked),
        "all" in views_of(attacked),
    )


def _from_source(source: NetworkSource, where: str, test: Dataset, trained: bool) -> StudyNetwork:
    loaded = _load(source, test.input_shape, 0)
    _check_classes(source, loaded.classes, test)
    architecture = getattr(loaded.module, "architecture", None)
    identity: dict[str, Any] = {"source": source.identity()}
    if source.runs_code or "name" in type(source).model_fields:  # what is built may change where no file does
        identity["weights"] = loaded.weights_digest
    if source.runs_code:
        identity["code"] = loaded.code_digest
        without_weights = getattr(source, "weights", None) is None
        if without_weights and not trained and _load(source, test.input_shape, 1).weights_digest != identity["weights"]:
            raise ModelError(
                "weights: they are drawn at random each time; give a checkpoint, or train the variants of it"
            )
    return StudyNetwork(loaded.module, source.kind, architecture, identity)


def _check_classes(source: NetworkSource, classes: int, test: Dataset) -> None:
    if classes != test.classes:
        raise ConfigurationError(f"kind {source.kind}: it has {classes} classes; {test.name} has {test.classes}")


def _built_in(model: Model, architecture: Architecture, where: str, test: Dataset) -> StudyNetwork:
    channels = test.input_shape[0]
    if architecture.classes != test.classes:
        raise ConfigurationError(
            f"{where}.classes: expected {test.classes} for {test.name}, not {architecture.classes}"
        )
    if architecture.in_channels != channels:
        raise ConfigurationError(
            f"{where}.in_channels: expected {channels} for {test.name}, not {architecture.in_channels}"
        )
    with within_place(f"{where}."):
        module = load_module(model, test.input_shape, seed=0)
    weights = None if model.weights is None else file_digest(model.weights)
    identity = {"architecture": architecture.identity(), "weights": weights}
    return StudyNetwork(module, architecture.kind, architecture, identity)


def _load(source: NetworkSource, input_shape: tuple[int, int, int], seed: int) -> LoadedNetwork:
    """`run` has asked whether code may run (`check_code_is_trusted`)."""
    return load_source(source, input_shape, seed=seed, trusted=True)


@contextmanager
def within_place(where: str) -> Iterator[None]:
    """Put the place before the message of what goes wrong inside."""
    try:
        yield
    except BrinellError as error:
        raise type(error)(f"{where}{error}") from None

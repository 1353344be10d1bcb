"""Sections of a study's mapping, read into values and written back; every refusal names its place."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from brinell.compressors import COMPRESSORS, Compressor
from brinell.core import ConfigurationError
from brinell.data import DATASETS
from brinell.models import MODELS
from brinell.runtimes import RUNTIMES, Reference
from brinell.study.attack_sections import read_attack, read_transfers
from brinell.study.entries import Data, Model, Seeds, TestSplit, TrainSplit, VariantEntry
from brinell.study.fields import fields_of, mapping_of, name_of, named, one_of, section_of, value_of
from brinell.study.paper_section import read_paper
from brinell.study.probe_sections import read_probes
from brinell.study.reading import check_keys
from brinell.training import Train

_BLOCK = 250
_SECTIONS = (
    "name",
    "data",
    "models",
    "variants",
    "attacks",
    "transfer",
    "probes",
    "seeds",
    "block",
    "runtime",
    "paper",
)


def read_study(config: object, name: str) -> dict[str, Any]:
    """The fields of a `Study`, by name."""
    config = check_keys(config, "", _SECTIONS)
    for section in ("data", "models", "variants"):
        if section not in config:
            raise ConfigurationError(f"{section}: missing; a study has {', '.join(_SECTIONS)}")
    data = _data(config["data"])
    models = named(config["models"], "models", _model)
    held = data.train.holdout
    variants = named(config["variants"], "variants", lambda entry, where: _variant(entry, where, models, held))
    _check_parents(variants)
    _check_baselines(variants)
    attacks = named(config.get("attacks") or {}, "attacks", lambda entry, where: read_attack(entry, where, variants))
    if "clean" in attacks:
        raise ConfigurationError(
            "attacks.clean: the name is taken by the predictions without an attack; choose another"
        )
    transfers = read_transfers(config.get("transfer"), variants, taken=("clean", *attacks))
    return {
        "name": name_of(config.get("name", name), "name"),
        "data": data,
        "models": models,
        "variants": variants,
        "attacks": attacks,
        "transfers": transfers,
        "probes": read_probes(config.get("probes"), variants, attacks, transfers),
        "seeds": section_of(Seeds, config.get("seeds"), "seeds"),
        "block": value_of(int, config.get("block", _BLOCK), "block", minimum=1),
        "runtime": _runtime(config.get("runtime", Reference.kind)),
        "paper": read_paper(config.get("paper"), variants),
    }


def _runtime(config: object) -> str:
    stable = [kind for kind in RUNTIMES if RUNTIMES[kind].stable]
    if not RUNTIMES.member(config, "runtime").stable:
        raise ConfigurationError(
            f"runtime: which one {config!r} takes depends on the machine, and rows name theirs; "
            f"accepted: {', '.join(stable)}"
        )
    return str(config)


def _data(config: object) -> Data:
    fields = fields_of(config, "data", DATASETS, ("train", "test"))
    train = section_of(TrainSplit, fields.pop("train", None), "data.train")
    test = section_of(TestSplit, fields.pop("test", None), "data.test")
    if train.split == test.split:
        raise ConfigurationError(
            f"data.test.split: {test.split!r} is what variants are trained on; judging needs images they never saw"
        )
    return Data(DATASETS.parse(fields, "data"), train, test)


def _model(config: object, where: str) -> Model:
    fields = fields_of(config, where, MODELS, ("weights",))
    weights = fields.pop("weights", None)
    path = None if weights is None else Path(value_of(str, weights, f"{where}.weights"))
    if path is not None and not path.is_file():
        raise ConfigurationError(f"{where}.weights: no file at {path}")
    return Model(MODELS.parse(fields, where), path)


def _variant(config: object, where: str, models: Mapping[str, Model], held: int) -> VariantEntry:
    fields = check_keys(config, where, ("model", "train", "from", "compress", "baseline"))
    baseline = None if fields.get("baseline") is None else value_of(str, fields["baseline"], f"{where}.baseline")
    if ("model" in fields) == ("from" in fields):
        raise ConfigurationError(f"{where}: expected either {{model, train}} or {{from, compress}}, not {fields}")
    if "model" in fields:
        if "compress" in fields:
            raise ConfigurationError(f"{where}.compress: only a variant is compressed; make one of the model first")
        model = one_of(fields["model"], f"{where}.model", models)
        train = None if fields.get("train") is None else _train(fields["train"], f"{where}.train", held)
        if train is not None and train.distillation is not None:
            raise ConfigurationError(
                f"{where}.train.distillation: a model has no teacher; only a compressor's training"
            )
        if train is None and models[model].weights is None:
            raise ConfigurationError(
                f"{where}: it would be random: give it train, or models.{model}.weights a checkpoint"
            )
        return VariantEntry(model=model, train=train, baseline=baseline)
    if "train" in fields:
        raise ConfigurationError(f"{where}.train: a compressor trains by its own settings: {where}.compress.train")
    if "compress" not in fields:
        raise ConfigurationError(f"{where}.compress: missing; accepted: {', '.join(COMPRESSORS)}")
    parent = value_of(str, fields["from"], f"{where}.from")
    compressor = _compressor(fields["compress"], f"{where}.compress", held)
    return VariantEntry(parent=parent, compressor=compressor, baseline=baseline)


def _compressor(config: object, where: str, held: int) -> Compressor:
    fields = fields_of(config, where, COMPRESSORS, ())
    compressor = COMPRESSORS.parse(fields, where)
    train = getattr(compressor, "train", None)
    if train is None:
        return compressor
    return compressor.model_copy(update={"train": _holding_out(train, fields.get("train"), held)})


def _train(config: object, where: str, held: int) -> Train:
    fields = mapping_of(config, where)
    return _holding_out(Train.parse(fields, where), fields, held)


def _holding_out(train: Train, fields: object, held: int) -> Train:
    """`train` with the study's `data.train.holdout`, unless its own `fields` say how many."""
    said = isinstance(fields, Mapping) and "holdout" in fields
    return train if said else train.model_copy(update={"holdout": held})


def _check_parents(variants: Mapping[str, VariantEntry]) -> None:
    for name, entry in variants.items():
        if entry.parent is not None:
            one_of(entry.parent, f"variants.{name}.from", variants)
    for name in variants:
        line, at = [name], variants[name].parent
        while at is not None:
            if at in line:
                circle = " -> ".join([*line[line.index(at) :], at])
                raise ConfigurationError(f"variants.{at}.from: variants are made from each other in a circle: {circle}")
            line.append(at)
            at = variants[at].parent


def _check_baselines(variants: Mapping[str, VariantEntry]) -> None:
    """A baseline is a variant, and is compared with nobody itself."""
    for name, entry in variants.items():
        if entry.baseline is None:
            continue
        other = variants[one_of(entry.baseline, f"variants.{name}.baseline", variants)].baseline
        if other not in (None, entry.baseline):
            raise ConfigurationError(
                f"variants.{name}.baseline: {entry.baseline!r} has a baseline itself: {other!r}; name that one"
            )


# The way back


def write_data(data: Data) -> dict[str, Any]:
    """The mapping that `read_study` reads under `data`."""
    fields = {name: str(value) if isinstance(value, Path) else value for name, value in data.source.config().items()}
    return {**fields, "train": data.train.model_dump(), "test": data.test.model_dump()}


def write_model(model: Model) -> dict[str, Any]:
    """An entry under `models`."""
    return {**model.architecture.config(), "weights": None if model.weights is None else str(model.weights)}


def write_variant(entry: VariantEntry) -> dict[str, Any]:
    """An entry under `variants`."""
    baseline = {} if entry.baseline is None else {"baseline": entry.baseline}
    if entry.compressor is not None:
        return {"from": entry.parent, "compress": entry.compressor.config(), **baseline}
    return {"model": entry.model, "train": None if entry.train is None else entry.train.config(), **baseline}

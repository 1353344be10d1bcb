"""`brinell.limit`: how far one network can be compressed, without a study's file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml

from brinell.runs.api import run
from brinell.study import Observer, Run, Study, limit_config


def limit(
    model: str | Mapping[str, Any],
    *,
    data: str | Mapping[str, Any],
    keep: Sequence[str],
    weights: str | Path | None = None,
    train: Mapping[str, Any] | None = None,
    minimise: str | Sequence[str] = "bytes",
    families: Mapping[str, Any] | None = None,
    budget: int | None = 24,
    hours: float | None = None,
    epochs: int = 2,
    out: str | Path | None = None,
    executor: Literal["serial", "processes", "ray"] = "serial",
    workers: int | None = None,
    threads: int | None = None,
    observe: Observer | None = None,
    progress: bool = True,
    report: bool = True,
) -> Run:
    """Find the smallest network of each family of compression that keeps conditions; a study without its file.

    Networks are attacked by FGSM and by PGD of 20 steps at the radii of the conditions. The study that is run stands in
    the run's folder, as `study.yaml`; running it again, also with a larger budget, goes on with what there is.

    Args:
        model: A model's kind, or its kind and settings.
        data: A data set's kind, or the `data` section of a study.
        keep: Conditions such as `clean_accuracy >= -0.01` and `worst_case within 2/255 >= -0.02`.
        weights: Checkpoint of the model.
        train: Training of the model, where it has no weights.
        minimise: `bytes`, `macs`, `parameters`, `energy_joules`, `latency_ms` or `latency_ms on RUNTIME`; or two of
            them, of which the whole front is searched.
        families: Compressors with searched numbers, by name; by default magnitude pruning of weights, and INQ, or
            pruning of channels where more than bytes is minimised.
        budget: Number of networks to make; `None`: as many as `hours` allow.
        hours: Time of the search, which ends it as well.
        epochs: Epochs of training after compression, in the default families.
        out: Folder of the run; `runs/limit` by default.
        executor: As for `brinell.run`.
        workers: As for `brinell.run`.
        threads: As for `brinell.run`.
        observe: As for `brinell.run`.
        progress: As for `brinell.run`.
        report: As for `brinell.run`.

    Returns:
        The run, whose report has the answer.

    Raises:
        ConfigurationError: A condition, a family or a setting is not accepted; nothing was computed.
        DataError, ModelError, StoreError: See `brinell.run`.

    Example:
        >>> import brinell
        >>> brinell.limit("resnet8", data="digits", keep=["beauty >= 1"])  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        brinell.core.errors.ConfigurationError: keep 'beauty >= 1': 'beauty' is no metric; ...
    """
    config = limit_config(
        model,
        data=data,
        keep=keep,
        weights=weights,
        train=train,
        minimise=minimise,
        families=families,
        budget=budget,
        hours=hours,
        epochs=epochs,
    )
    study = Study.parse(config, source=yaml.safe_dump(config, sort_keys=False))
    return run(
        study,
        out=out,
        executor=executor,
        workers=workers,
        threads=threads,
        observe=observe,
        progress=progress,
        report=report,
    )

"""Options that several commands share, and the settings that `--set` gives to what they name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from brinell.cli.arguments.data_argument import read_data
from brinell.core import ConfigurationError

Seed = Annotated[int, typer.Option("--seed", min=0, max=2**63 - 1, help="Seed of everything random.")]
RuntimeName = Annotated[
    str | None,
    typer.Option(
        "--runtime", metavar="NAME", help="What judges the networks, such as openvino (brinell list runtimes)."
    ),
]


@dataclass(frozen=True)
class Settings:
    """What a command line sets, as the sections of a study would hold it."""

    member: Mapping[str, Any]
    """Of the attack or the compressor."""
    data: Mapping[str, Any]
    model: Mapping[str, Any]


def read_settings(changes: Iterable[str] | None, kind: str | None = None, data: str | None = None) -> Settings:
    """`--set` applied to the member called `kind`, to the data set and to the model.

    A path that begins with `data.` is the data set's, one with `model.` the model's.
    """
    from brinell.study.reading import override

    place = {} if data is None else read_data(data)
    changed = override({"data": place, "model": {}}, changes or ())
    parts = {name: changed.pop(name) for name in ("data", "model")}
    for name, part in parts.items():
        if not isinstance(part, dict):
            raise ConfigurationError(f"--set {name}: set its fields, such as {name}.{_EXAMPLES[name]}")
    if kind is None and changed:
        raise ConfigurationError(f"--set {next(iter(changed))}: only model. and data. can be set here")
    return Settings({"kind": kind, **changed}, parts["data"], parts["model"])


_EXAMPLES = {"data": "root=FOLDER", "model": "mean=[0.5,0.5,0.5]"}

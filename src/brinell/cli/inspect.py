"""`brinell inspect`: what is in a `.brinell` file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from brinell.cli.arguments.model_argument import GRAMMAR, InputShape, Weights, names_apart, parse_shape, read_model
from brinell.cli.arguments.options import read_settings
from brinell.cli.display.console import Debug, add_row, out
from brinell.cli.display.console import Settings as Changes
from brinell.core import BrinellError, StoreError

if TYPE_CHECKING:
    from brinell.container import Inspection

HELP = f"""Show what is in .brinell files: the network, what was done to it, and every tensor with its coding and size.

A MODEL that is no .brinell file ({GRAMMAR}) is shown as a file of it would be.

[bold]Examples[/]

$ brinell inspect small.brinell

$ brinell inspect runs/quickstart/variants/*.brinell
"""


def inspect(
    models: Annotated[list[str], typer.Argument(metavar="MODEL...", help="Files of the .brinell format, or others.")],
    weights: Weights = None,
    input_shape: InputShape = None,
    changes: Changes = None,
    debug: Debug = False,
) -> None:
    """See `HELP`."""
    from brinell.container import inspect as look

    shape, given = parse_shape(input_shape), read_settings(changes).model
    refused: list[BrinellError] = []
    for number, (text, name) in enumerate(zip(models, names_apart(models), strict=True)):
        try:
            with read_model(text, weights, given).as_file(shape) as file:
                found = look(file)
        except BrinellError as error:
            refused.append(error)
            continue
        if len(models) > 1:
            out.print(f"{chr(10) if number else ''}{name}", markup=False, style="bold underline", soft_wrap=True)
        _print(found)
    if refused:
        raise StoreError("\n".join(map(str, refused))) from (refused[0] if len(refused) == 1 else None)


def _print(found: Inspection) -> None:
    _say("network", _settings(found.architecture) if found.architecture else "a user's own module")
    for change in found.structure:
        _say("changed", _settings(change))
    _say("input", f"{found.input_shape}, {found.classes} classes")
    for step in found.lineage:
        _say("made by", f"{step.kind}, seed {step.seed}: {_settings(step.settings)}")
    out.print(_tensors(found))
    _say(
        "file",
        f"{found.encoded_bytes:,} bytes ({found.header_bytes:,} of them header) for {found.dense_bytes:,} dense: "
        f"{found.ratio:.2f} times smaller",
    )


def _tensors(found: Inspection) -> Table:
    table = Table("tensor", "shape", "type", "coding", box=None, pad_edge=False)
    table.add_column("bytes", justify="right")
    table.add_column("dense", justify="right")
    for tensor in found.tensors:
        shape = " x ".join(map(str, tensor.shape)) or "scalar"
        sizes = (f"{tensor.encoded_bytes:,}", f"{tensor.dense_bytes:,}")
        add_row(table, tensor.name, shape, tensor.dtype, tensor.coding, *sizes)
    return table


def _settings(config: Any) -> str:
    kind = f"{config['kind']} " if "kind" in config else ""
    rest = {name: value for name, value in config.items() if name != "kind"}
    if isinstance(rest.get("graph"), str):  # of a network that is not built in
        rest["graph"] = f"{len(json.loads(rest['graph']).get('nodes', ()))} operators"
    return f"{kind}{json.dumps(rest)}" if rest else kind


def _say(what: str, text: str) -> None:
    out.print(f"[bold]{what:8}[/]", end=" ")
    out.print(text, markup=False, soft_wrap=True)

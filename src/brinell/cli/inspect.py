"""`brinell inspect`: what is in a `.brinell` file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from brinell.cli.console import Debug, add_row, out

if TYPE_CHECKING:
    from brinell.container import Inspection

HELP = """Show what is in a .brinell file: the network, what was done to it, and every tensor with its coding and size.

[bold]Example[/]

$ brinell inspect small.brinell
"""


def inspect(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .brinell file.")],
    debug: Debug = False,
) -> None:
    """See `HELP`."""
    from brinell.container import inspect as look

    found = look(file)
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
    return f"{kind}{json.dumps(rest)}" if rest else kind


def _say(what: str, text: str) -> None:
    out.print(f"[bold]{what:8}[/]", end=" ")
    out.print(text, markup=False, soft_wrap=True)

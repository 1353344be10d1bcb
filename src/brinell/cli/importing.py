"""`brinell import`: networks in others' formats."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from brinell.cli.display.commands import Command, Group
from brinell.cli.display.console import Debug, Settings, flowing, out

HELP = "Turn a network in another format into a .brinell file."

DEEP_COMPRESSION = """Turn a .net file of Deep Compression's authors into a .brinell file, every weight equal.

The file says nothing about the network: --model names it. It is set up as it was published (Caffe's normalisation, blue
first); --set changes the architecture's fields.

[bold]Example[/]

$ brinell import deep-compression squeezenet.net --model squeezenet1_0 --out squeezenet.brinell
"""

app = typer.Typer(cls=Group, no_args_is_help=True, help=HELP, rich_markup_mode="rich")


@app.callback()
def importing() -> None:
    """See `HELP`; it keeps the one command a subcommand."""


@app.command("deep-compression", cls=Command, help=flowing(DEEP_COMPRESSION))
def deep_compression(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .net file.")],
    model: Annotated[str, typer.Option("--model", metavar="KIND", help="Its architecture (brinell list models).")],
    target: Annotated[Path, typer.Option("--out", metavar="FILE", help="The .brinell file to write.")],
    changes: Settings = None,
    effort: Annotated[str, typer.Option(help="fast, default or best: smaller, and slower to write.")] = "best",
    debug: Debug = False,
) -> None:
    """See `DEEP_COMPRESSION`."""
    from brinell.container import read_deep_compression, write
    from brinell.study.reading import override

    variant = read_deep_compression(file, model, override({}, changes or ()))
    size = write(variant, target, effort=effort)  # type: ignore[arg-type]  # `write` refuses what it does not know
    dense = sum(tensor.nbytes for tensor in variant.tensors.values())
    before = variant.lineage[-1].figures["bytes"]
    out.print(
        f"{target}: {size:,} bytes, {dense / size:.1f} times smaller than {dense:,} dense; {file} has {before:,}",
        markup=False,
        soft_wrap=True,
    )

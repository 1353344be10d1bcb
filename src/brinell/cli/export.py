"""`brinell export`: a network for other runtimes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from brinell.cli.console import Debug, out

HELP = """Write the network in a .brinell file as an ONNX graph, which ONNX Runtime and others run.

ONNX Runtime computes random images with it before it is there; nothing is written where its logits are not the
network's. Needs pip install 'brinell\\[onnx]'.

[bold]Example[/]

$ brinell export small.brinell --onnx small.onnx
"""


def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .brinell file.")],
    target: Annotated[Path, typer.Option("--onnx", metavar="OUT", help="The ONNX file to write.")],
    debug: Debug = False,
) -> None:
    """See `HELP`."""
    from brinell.container import export_onnx, load

    size = export_onnx(load(file), target)
    out.print(f"{target}: {size:,} bytes; {file} has {file.stat().st_size:,}", markup=False, soft_wrap=True)

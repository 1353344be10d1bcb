"""`brinell export`: a network for other runtimes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from brinell.cli.console import Debug, out
from brinell.core import ConfigurationError

HELP = """Write the network in a .brinell file for ONNX Runtime or OpenVINO, and others that read their files.

Before a file is there, its runtime computes random images with it; nothing is written where its logits are not the
network's. In ONNX bits become floats; in OpenVINO's files they stay bits. Needs pip install 'brinell\\[onnx]' or
'brinell\\[openvino]'.

[bold]Examples[/]

$ brinell export small.brinell --onnx small.onnx

$ brinell export small.brinell --openvino folder
"""


def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .brinell file.")],
    onnx: Annotated[Path | None, typer.Option("--onnx", metavar="OUT", help="The ONNX file to write.")] = None,
    openvino: Annotated[
        Path | None, typer.Option("--openvino", metavar="DIR", help="The folder to write OpenVINO's two files to.")
    ] = None,
    debug: Debug = False,
) -> None:
    """See `HELP`."""
    from brinell.container import export_onnx, export_openvino, load

    if onnx is None and openvino is None:
        raise ConfigurationError("export: give --onnx OUT or --openvino DIR, or both")
    variant = load(file)
    for target, write in ((onnx, export_onnx), (openvino, export_openvino)):
        if target is not None:
            size = write(variant, target)
            out.print(f"{target}: {size:,} bytes; {file} has {file.stat().st_size:,}", markup=False, soft_wrap=True)

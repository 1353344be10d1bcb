"""`brinell export`: the file to ship, and a network for other runtimes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from brinell.cli.arguments.model_argument import GRAMMAR, InputShape, Weights, parse_shape, read_model
from brinell.cli.arguments.options import read_settings
from brinell.cli.display.console import Debug, out
from brinell.cli.display.console import Settings as Changes
from brinell.core import ConfigurationError, choices

if TYPE_CHECKING:
    from brinell.variants import Variant

HELP = f"""Write a network as a .brinell file, or for ONNX Runtime or OpenVINO and others that read their files.

The network is a variant of a run, or a MODEL: {GRAMMAR}.

Before a file is there, its runtime computes random images with it; nothing is written where its logits are not the
network's. In ONNX bits become floats; in OpenVINO's files they stay bits. Needs pip install 'brinell\\[onnx]' or
'brinell\\[openvino]'.

[bold]Examples[/]

$ brinell export runs/quickstart pruned

$ brinell export small.brinell --onnx small.onnx

$ brinell export networks.py:build --weights mine.safetensors --input-shape 3,32,32 --out mine.brinell
"""


def export(
    model: Annotated[str, typer.Argument(metavar="RUN|MODEL", help="A run's folder, or a network.")],
    variant: Annotated[
        str | None, typer.Argument(metavar="VARIANT", help="Of the run: its name, or NAME-seed1 with several seeds.")
    ] = None,
    target: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="The .brinell file to write (of a variant VARIANT.brinell)."),
    ] = None,
    onnx: Annotated[Path | None, typer.Option("--onnx", metavar="OUT", help="The ONNX file to write.")] = None,
    openvino: Annotated[
        Path | None, typer.Option("--openvino", metavar="DIR", help="The folder to write OpenVINO's two files to.")
    ] = None,
    weights: Weights = None,
    input_shape: InputShape = None,
    changes: Changes = None,
    debug: Debug = False,
) -> None:
    """See `HELP`."""
    from brinell.container import export_onnx, export_openvino, load

    file: Path | None
    if Path(model).is_dir():
        file = _file_of(Path(model), variant)
        network = None
        if target is None and onnx is None and openvino is None:
            target = Path(f"{variant}.brinell")
    else:
        if variant is not None:
            raise ConfigurationError(f"{variant}: only a run has variants, and there is no folder at {model}")
        if target is None and onnx is None and openvino is None:
            raise ConfigurationError("export: give --onnx OUT or --openvino DIR, or --out FILE")
        named = read_model(model, weights, read_settings(changes).model)
        file, network = named.file, named.variant(input_shape=parse_shape(input_shape))
    if target is not None:
        _write(target, file, network)
    if onnx is not None or openvino is not None:
        network = load(str(file)) if network is None else network
        write: Any
        for place, write in ((onnx, export_onnx), (openvino, export_openvino)):
            if place is not None:
                size = write(network, place)
                known = f"; {file} has {file.stat().st_size:,}" if file is not None else ""
                out.print(f"{place}: {size:,} bytes{known}", markup=False, soft_wrap=True)


def _file_of(root: Path, name: str | None) -> Path:
    """The file of one variant of a run."""
    from brinell.analysis.labels import file_names
    from brinell.store import RunStore

    store = RunStore.open(root)
    names = {label: key for key, label in file_names(store.plan()).items()}
    if name is None or name not in names:
        wanted = f"there is no {name!r}" if name is not None else "name one of its variants"
        raise ConfigurationError(f"{root}: {wanted}; {choices(name or '', list(names))}")
    file = store.variant_file(names[name], "variant.brinell")
    if file is None:
        raise ConfigurationError(f"{root}: {name} is not made yet; brinell run makes it")
    return file


def _write(target: Path, file: Path | None, network: Variant | None) -> None:
    """The file as it is where there is one; its bytes are the same wherever it lies."""
    from brinell.container import save
    from brinell.store import atomic_path

    if file is None:
        size = save(network, target)  # type: ignore[arg-type]  # without a file there is a network
    else:
        with atomic_path(target) as temporary:
            size = temporary.write_bytes(file.read_bytes())
    out.print(f"{target}: {size:,} bytes", markup=False, soft_wrap=True)

"""`brinell sizes`: files next to what they could be."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.table import Table

from brinell.cli.arguments.model_argument import GRAMMAR, InputShape, Weights, names_apart, parse_shape, read_model
from brinell.cli.arguments.options import read_settings
from brinell.cli.display.console import Debug, add_row, out
from brinell.cli.display.console import Settings as Changes
from brinell.core import BrinellError, StoreError

HELP = f"""Compare the size of .brinell files with what they could be.

A MODEL that is no .brinell file ({GRAMMAR}) is compared as a file of it.

Ratios are of the network's dense float32 bytes. The file's is the true one: everything is in it. The nominal one counts
bits of weights only, as papers do. The entropy is the least for codes and gaps one by one. The rest are general-purpose
compressors on the dense numbers, where they are installed.

[bold]Example[/]

$ brinell sizes small.brinell smaller.brinell
"""

PACKERS = ("deflate", "xz", "zstd", "brotli", "zpaq")


def compare_sizes(
    models: Annotated[list[str], typer.Argument(metavar="MODEL...", help="Files of the .brinell format, or others.")],
    weights: Weights = None,
    input_shape: InputShape = None,
    changes: Changes = None,
    debug: Debug = False,
) -> None:
    """See `HELP`."""
    from brinell.container import compare_sizes as compare
    from brinell.container import load
    from brinell.costs import measure

    table = Table(box=None, pad_edge=False)
    table.add_column("file", overflow="fold", min_width=20)
    for name in ("dense", "file", "nominal", "entropy", *PACKERS):
        table.add_column(name, justify="right")
    shape, given = parse_shape(input_shape), read_settings(changes).model
    refused: list[BrinellError] = []
    for text, name in zip(models, names_apart(models), strict=True):
        try:
            with read_model(text, weights, given).as_file(shape) as file:
                variant = load(file)
                dense, found, size = measure(variant).dense_bytes, compare(variant, file), file.stat().st_size
        except BrinellError as error:
            refused.append(error)
            continue
        packed: dict[str, Any] = found["general_purpose"]
        counts = (size, found["nominal_bytes"], found["entropy_bytes"], *map(packed.get, PACKERS))
        add_row(table, name, f"{dense:,}", *(_cell(count, dense) for count in counts))
    if table.row_count:
        out.print(table)
    if refused:
        raise StoreError("\n".join(map(str, refused)))


def _cell(count: int | None, dense: int) -> str:
    if count is None:
        return "-"
    return f"{count:,} ({dense / count:.2f}x)" if count else "0"

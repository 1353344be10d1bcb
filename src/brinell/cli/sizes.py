"""`brinell sizes`: files next to what they could be."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from brinell.cli.console import Debug, add_row, out
from brinell.core import BrinellError, StoreError

HELP = """Compare the size of .brinell files with what they could be.

Ratios are of the network's dense float32 bytes. The file's is the true one: everything is in it. The nominal one counts
bits of weights only, as papers do. The entropy is the least for codes and gaps one by one. The rest are general-purpose
compressors on the dense numbers, where they are installed.

[bold]Example[/]

$ brinell sizes small.brinell smaller.brinell
"""

PACKERS = ("deflate", "xz", "zstd", "brotli", "zpaq")


def sizes(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files of the .brinell format.")],
    debug: Debug = False,
) -> None:
    """See `HELP`."""
    from brinell.container import load
    from brinell.container import sizes as compare
    from brinell.costs import measure

    table = Table("file", box=None, pad_edge=False)
    for name in ("dense", "file", "nominal", "entropy", *PACKERS):
        table.add_column(name, justify="right")
    refused: list[BrinellError] = []
    for file in files:
        try:
            variant = load(file)
        except BrinellError as error:
            refused.append(error)
            continue
        dense, found = measure(variant).dense_bytes, compare(variant, file)
        packed: dict[str, Any] = found["general_purpose"]
        counts = (file.stat().st_size, found["nominal_bytes"], found["entropy_bytes"], *map(packed.get, PACKERS))
        add_row(table, file.name, f"{dense:,}", *(_cell(count, dense) for count in counts))
    if table.row_count:
        out.print(table)
    if refused:
        raise StoreError("; ".join(map(str, refused)))


def _cell(count: int | None, dense: int) -> str:
    if count is None:
        return "-"
    return f"{count:,} ({dense / count:.2f}x)" if count else "0"

"""`brinell compress`: one compressor on one network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from brinell.cli.arguments.data_argument import Data, load_data
from brinell.cli.arguments.model_argument import HELP as MODEL_HELP
from brinell.cli.arguments.model_argument import Model, Weights, read_model
from brinell.cli.arguments.options import Seed, read_settings
from brinell.cli.display.console import Debug, Settings, out
from brinell.cli.display.progress_bar import bar

HELP = f"""Compress a network, and write it to a .brinell file.

{MODEL_HELP} --set data.SETTING changes the data set's.

[bold]Example[/]

$ brinell compress resnet20 --weights resnet20.th --data cifar10 --set data.root=data/cifar10 --with inq
  --set weight_bits=5 --set train.epochs=4 --out inq5.brinell

[bold]On four GPUs[/]

$ torchrun --nproc-per-node 4 -m brinell compress ...
"""


def compress(
    model: Model,
    data: Data,
    kind: Annotated[str, typer.Option("--with", metavar="KIND", help="Compressor (brinell list compressors).")],
    target: Annotated[Path, typer.Option("--out", metavar="FILE", help="The .brinell file to write.")],
    changes: Settings = None,
    weights: Weights = None,
    split: Annotated[str, typer.Option(help="Split to train on.")] = "train",
    checkpoint: Annotated[
        Path | None, typer.Option("--checkpoint", metavar="DIR", help="Folder to resume from after a kill.")
    ] = None,
    seed: Seed = 0,
    debug: Debug = False,
) -> None:
    """See `HELP`."""
    import brinell
    from brinell.compressors import COMPRESSORS
    from brinell.training import process_group

    given = read_settings(changes, kind, data)
    chosen = COMPRESSORS.member(kind, "--with").parse(given.member, kind)
    named = read_model(model, weights, given.model)
    images = load_data(given.data, split, None, named.declared_shape())
    variant = named.variant(images)
    with bar() as progress:
        made = brinell.compress(variant, chosen, train_data=images, seed=seed, checkpoint=checkpoint, progress=progress)
    if not process_group().first:
        return
    size = brinell.save(made, target)
    dense = brinell.costs.measure(variant).dense_bytes
    out.print(
        f"{target}: {size:,} bytes, {dense / size:.1f} times smaller than {dense:,} dense",
        markup=False,
        soft_wrap=True,
    )

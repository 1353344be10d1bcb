"""`brinell limit`: how far one network can be compressed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from brinell.cli.console import Debug, Settings, out
from brinell.cli.options import DataKind, Weights

HELP = """Find the smallest network of each family of compression that keeps conditions.

MODEL is a model's kind, with --weights, or with a training by --set train.epochs=10. Settings that begin with data. are
the data set's, those that begin with families. replace the default families: magnitude pruning of weights, and INQ. The
study that is run is written to OUT/study.yaml; running the command again goes on with what there is.

[bold]Example[/]

$ brinell limit resnet20 --weights resnet20.th --data cifar10 --set data.root=data/cifar10
  --keep 'clean_accuracy >= -0.01' --keep 'worst_case within 2/255 >= -0.02' --minimise bytes
"""


def limit(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model's kind.")],
    data: DataKind,
    keep: Annotated[
        list[str],
        typer.Option("--keep", metavar="CONDITION", help="METRIC [within RADIUS] >= NUMBER; repeat it for more."),
    ],
    changes: Settings = None,
    weights: Weights = None,
    minimise: Annotated[str, typer.Option(metavar="COST", help="bytes, macs or parameters.")] = "bytes",
    budget: Annotated[int, typer.Option(min=1, help="Networks to make.")] = 24,
    epochs: Annotated[
        int, typer.Option(min=1, help="Epochs of training after compression, in the default families.")
    ] = 2,
    folder: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder of the run.")] = Path("runs/limit"),
    threads: Annotated[int | None, typer.Option(min=1, help="Cores to use.")] = None,
    debug: Debug = False,
) -> None:
    """See `HELP`."""
    import yaml

    from brinell.cli.progress import Display
    from brinell.cli.run import conclude
    from brinell.study import Study, limit_config
    from brinell.study import run as compute
    from brinell.study.reading import override

    given = override({"data": {"kind": data}, "model": {"kind": model}}, changes or ())
    config = limit_config(
        given["model"],
        data=given["data"],
        keep=keep,
        weights=weights,
        train=given.get("train"),
        minimise=minimise,
        families=given.get("families"),
        budget=budget,
        epochs=epochs,
    )
    study = Study.parse(config, source=yaml.safe_dump(config, sort_keys=False))
    with Display(out) as display:
        result = compute(study, out=folder, threads=threads, observe=display)
    conclude(study, result)

"""`brinell limit`: how far one network can be compressed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from brinell.cli.arguments.condition_help import CONDITION_HELP
from brinell.cli.arguments.data_argument import Data, with_shape
from brinell.cli.arguments.model_argument import HELP as MODEL_HELP
from brinell.cli.arguments.model_argument import Model, Weights, read_model
from brinell.cli.arguments.options import read_settings
from brinell.cli.display.console import Debug, Settings, out

HELP = f"""Find the smallest network of each family of compression that keeps conditions.

{MODEL_HELP} A network without weights is trained by --set train.epochs=10. --set data.SETTING changes the data set's;
settings that begin with families. replace the default families: of bytes alone magnitude pruning of weights, and INQ;
of other costs pruning of channels. The study that
is run is written to OUT/study.yaml; running the command again goes on with what there is.

{CONDITION_HELP} A NUMBER with a sign is a change against the network as it is; one without is the value itself.

[bold]Example[/]

$ brinell limit resnet20 --weights resnet20.th --data cifar10 --set data.root=data/cifar10
  --keep 'clean_accuracy >= -0.01' --keep 'worst_case within 2/255 >= -0.02' --minimise bytes
"""


def limit(
    model: Model,
    data: Data,
    keep: Annotated[
        list[str],
        typer.Option(
            "--keep",
            metavar="CONDITION",
            help="What is kept, such as 'worst_case within 2/255 >= -0.02'; repeat it for more.",
        ),
    ],
    changes: Settings = None,
    weights: Weights = None,
    minimise: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COST",
            help="bytes (the default), macs, parameters, energy_joules, 'latency_ms on RUNTIME'; two give their front.",
        ),
    ] = None,
    budget: Annotated[
        int | None, typer.Option(min=1, help="Networks to make (default: 24, or what --hours allow).")
    ] = None,
    hours: Annotated[float | None, typer.Option(help="Time of the search.")] = None,
    epochs: Annotated[
        int, typer.Option(min=1, help="Epochs of training after compression, in the default families.")
    ] = 2,
    folder: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder of the run.")] = Path("runs/limit"),
    threads: Annotated[int | None, typer.Option(min=1, help="Cores to use.")] = None,
    debug: Debug = False,
) -> None:
    """See `HELP`."""
    import yaml

    from brinell.cli.run import conclude
    from brinell.runs import ProgressDisplay
    from brinell.study import Study, limit_config
    from brinell.study import run as compute

    given = read_settings(changes, "limit", data)
    named = read_model(model, weights, given.model)
    config = limit_config(
        named.study_settings(),
        data=with_shape(given.data, named.declared_shape()),
        keep=keep,
        train=given.member.get("train"),
        minimise=minimise or "bytes",
        families=given.member.get("families"),
        budget=24 if budget is None and hours is None else budget,
        hours=hours,
        epochs=epochs,
    )
    study = Study.parse(config, source=yaml.safe_dump(config, sort_keys=False))
    with ProgressDisplay(out) as display:
        result = compute(study, out=folder, threads=threads, observe=display)
    conclude(study, result)

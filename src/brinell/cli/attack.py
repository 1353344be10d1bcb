"""`brinell attack`: one attack on one network."""

from __future__ import annotations

from typing import Annotated

import typer

from brinell.cli.console import Debug, Settings, out
from brinell.cli.options import DataKind, RuntimeName, Seed, Weights, dataset, network, settings
from brinell.cli.progress_bar import bar

HELP = """Attack a network, and print how much of its accuracy is left.

MODEL is a .brinell file, or a model's kind with --weights. Settings that begin with data. are the data set's.

[bold]Examples[/]

$ brinell attack small.brinell --data digits --with fgsm --set epsilon=16/255

$ brinell attack resnet20 --weights resnet20.th --data cifar10 --set data.root=data/cifar10
  --with pgd --set epsilon=8/255 --set steps=20
"""


def attack(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A .brinell file, or a model's kind.")],
    data: DataKind,
    kind: Annotated[str, typer.Option("--with", metavar="KIND", help="Attack (brinell list attacks).")],
    changes: Settings = None,
    weights: Weights = None,
    split: Annotated[str, typer.Option(help="Split to attack.")] = "test",
    examples: Annotated[int, typer.Option(min=1, help="How many images of it, at most.")] = 1000,
    view: Annotated[
        str | None,
        typer.Option(help="Gradient to use, such as surrogate:tanh, natural or all (default: the attack's)."),
    ] = None,
    runtime: RuntimeName = None,
    seed: Seed = 0,
    debug: Debug = False,
) -> None:
    """See `HELP`."""
    import brinell
    from brinell.attacks import ATTACKS

    config, place = settings(changes or (), kind, data)
    chosen = ATTACKS.member(kind, "--with").parse(config, kind)
    images = dataset(place, split, examples)
    variant = network(model, weights, images)
    with bar() as progress:
        outcome = brinell.attack(
            variant,
            *images.tensors(),
            chosen,
            seed=seed,
            example_ids=images.ids,
            view=view,
            runtime=runtime,
            progress=progress,
        )
    out.print(f"{chosen!r} on {len(images)} images of {images.name}/{images.split}", markup=False, soft_wrap=True)
    out.print(f"clean accuracy       {outcome.clean_accuracy:7.2%}")
    out.print(f"robust accuracy      {outcome.robust_accuracy:7.2%}")
    out.print(f"attack success rate  {outcome.attack_success_rate:7.2%}  (of those classified correctly)")
    if chosen.point.epsilon is None:
        far = outcome.distances[chosen.distance_norm][outcome.success & outcome.clean_correct].double()
        out.print(
            f"median {chosen.distance_norm:4s} distance {far.median().item():7.4f}  (of those attacked with success)"
        )
    out.print(f"forward passes       {outcome.forwards.double().mean().item():7.1f}  an image")
    out.print(f"backward passes      {outcome.backwards.double().mean().item():7.1f}  an image")

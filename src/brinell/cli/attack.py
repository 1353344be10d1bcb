"""`brinell attack`: one attack on one network."""

from __future__ import annotations

from typing import Annotated

import typer

from brinell.cli.arguments.data_argument import Data, load_data
from brinell.cli.arguments.model_argument import HELP as MODEL_HELP
from brinell.cli.arguments.model_argument import Model, Weights, read_model
from brinell.cli.arguments.options import RuntimeName, Seed, read_settings
from brinell.cli.display.console import Debug, Settings, out
from brinell.cli.display.progress_bar import bar

HELP = f"""Attack a network, and print how much of its accuracy is left.

{MODEL_HELP} --set data.SETTING changes the data set's.

[bold]Examples[/]

$ brinell attack small.brinell --data digits --with fgsm --set epsilon=16/255

$ brinell attack resnet20 --weights resnet20.th --data cifar10 --set data.root=data/cifar10
  --with pgd --set epsilon=8/255 --set steps=20

$ brinell attack networks.py:build --weights mine.safetensors --data photographs --with pgd --set epsilon=2/255
"""


def attack(
    model: Model,
    data: Data,
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

    given = read_settings(changes, kind, data)
    chosen = ATTACKS.member(kind, "--with").parse(given.member, kind)
    named = read_model(model, weights, given.model)
    images = load_data(given.data, split, examples, named.declared_shape())
    variant = named.variant(images)
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
    if outcome.clean_correct.any():
        out.print(f"attack success rate  {outcome.attack_success_rate:7.2%}  (of those classified correctly)")
    else:
        out.print("attack success rate     none  (no image was classified correctly before the attack)")
    if chosen.point.epsilon is None:
        far = outcome.distances[chosen.distance_norm][outcome.success & outcome.clean_correct].double()
        median = f"{far.median().item():7.4f}" if len(far) else "   none"
        out.print(f"median {chosen.distance_norm:4s} distance {median}  (of those attacked with success)")
    out.print(f"forward passes       {outcome.forwards.double().mean().item():7.1f}  an image")
    out.print(f"backward passes      {outcome.backwards.double().mean().item():7.1f}  an image")

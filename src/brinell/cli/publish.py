"""`brinell publish`: a variant of a run, with its card, to the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from brinell.cli.display.console import Debug, RunFolder, out

HELP = """Upload a variant of a run and its model card to a repository of the Hugging Face hub.

The card is generated: bytes, accuracies with intervals, the verdict on masked gradients, how the network was made. Log
in first (hf auth login, or HF_TOKEN). Needs pip install 'brinell\\[hub]'. Everybody loads it by
brinell.load("hf://USER/REPO/VARIANT.brinell").

[bold]Examples[/]

$ brinell publish runs/quickstart pruned --to user/small-digits

$ brinell publish runs/quickstart pruned --to user/small-digits --card card.md
"""


def publish(
    folder: RunFolder,
    variant: Annotated[str, typer.Argument(metavar="VARIANT", help="Its name, or NAME-seed1 with several seeds.")],
    to: Annotated[str, typer.Option("--to", metavar="USER/REPO", help="The repository.")],
    private: Annotated[bool, typer.Option("--private", help="Make a new repository private.")] = False,
    card: Annotated[
        Path | None, typer.Option("--card", metavar="FILE", help="Write the card here, and upload nothing.")
    ] = None,
    debug: Debug = False,
) -> None:
    """See `HELP`."""
    from brinell.runs import publish as upload
    from brinell.runs.publish_api import card_of
    from brinell.store import write_text

    if card is not None:
        write_text(card, card_of(folder, variant, to)[2])
        out.print(str(card), markup=False, soft_wrap=True)
        return
    out.print(upload(folder, variant, to=to, private=private), markup=False, soft_wrap=True)

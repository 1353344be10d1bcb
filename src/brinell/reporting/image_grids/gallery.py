"""Adversarials to look at: clean, what was changed, adversarial."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from brinell.analysis import Evaluation
from brinell.analysis.records.probes import Found, Gallery
from brinell.core import BrinellError
from brinell.reporting.describe import class_name
from brinell.reporting.formats import pluralize, radius
from brinell.reporting.image_grid import ImageGrid, Picture, Row
from brinell.reporting.pictures import data_uri, difference, pixels, stack_vertically

SHOWN = 6
"""Examples a variant and attack; the file lists all."""

GALLERY_SCHEMA = {
    "variant": pl.String,
    "attack": pl.String,
    "epsilon": pl.Float64,
    "steps": pl.Int64,
    "example_id": pl.Int64,
    "label": pl.Int64,
    "clean_prediction": pl.Int64,
    "prediction": pl.Int64,
}


def image_grid(evaluation: Evaluation, problems: list[str]) -> ImageGrid | None:
    """One row a variant and attack; `None` where no gallery was made."""
    found = evaluation.probes.of(Gallery)
    if not found:
        return None
    attacks = list(dict.fromkeys(_attack(each.record) for each in found))
    return ImageGrid(
        name="gallery",
        section="gallery",
        title="What it sees",
        reading="Top: clean image. Middle: perturbation, grey is no change, scaled to the largest change of each "
        "image. Bottom: adversarial example. Below them the predictions before and after.",
        made=f"{'; '.join(attacks)}.",
        heads=(),
        rows=tuple(_row(evaluation, each, problems) for each in found),
        frame=_frame(found),
    )


def _attack(record: Gallery) -> str:
    at = "" if record.epsilon is None else f" at {radius(record.epsilon)}"
    return f"{record.attack}{at}, {pluralize(record.steps, 'step')}"


def _row(evaluation: Evaluation, found: Found[Gallery], problems: list[str]) -> Row:
    try:
        pictures = tuple(_pictures(evaluation, found))
    except (BrinellError, KeyError, IndexError, ValueError) as error:
        problems.append(f"{found.variant}'s gallery is left out: {str(error).splitlines()[0]}")
        pictures = ()
    return Row(found.variant, _attack(found.record), pictures)


def _pictures(evaluation: Evaluation, found: Found[Gallery]) -> Iterator[Picture]:
    arrays = found.arrays()
    clean, adversarial = arrays["clean"], arrays["adversarial"]
    for place, example in enumerate(found.record.examples[:SHOWN]):
        before, after = clean[place], adversarial[place]
        strip = stack_vertically([pixels(before), difference(before, after), pixels(after)])
        names = [class_name(evaluation, label) for label in (example.clean_prediction, example.prediction)]
        said = names[0] if names[0] == names[1] else f"{names[0]} → {names[1]}"
        alt = f"Example {example.example_id}: clean, change and adversarial, predicted {names[0]}, then {names[1]}"
        yield Picture(data_uri(strip), (said,), alt, strip.shape[0] / strip.shape[1])


def _frame(found: tuple[Found[Gallery], ...]) -> pl.DataFrame:
    rows = [
        {
            "variant": each.variant,
            "attack": each.record.attack,
            "epsilon": each.record.epsilon,
            "steps": each.record.steps,
            **example.model_dump(),
        }
        for each in found
        for example in each.record.examples
    ]
    return pl.DataFrame(rows, schema=GALLERY_SCHEMA)

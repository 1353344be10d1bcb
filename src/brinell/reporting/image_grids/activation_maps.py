"""Where the network looks, before and along an attack (BreakingBED, section 4.3 and table 3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl
from numpy.typing import NDArray

from brinell.analysis import Evaluation
from brinell.analysis.records.probes import ActivationMaps, Found, MapReading
from brinell.core import BrinellError
from brinell.reporting.describe import class_name
from brinell.reporting.formats import NOTHING, pluralize
from brinell.reporting.image_grid import ImageGrid, Picture, Row
from brinell.reporting.pictures import data_uri, heat

MAP_SCHEMA = {
    "variant": pl.String,
    "method": pl.String,
    "layer": pl.String,
    "attack": pl.String,
    "example_id": pl.Int64,
    "label": pl.Int64,
    "steps": pl.Int64,
    "prediction": pl.Int64,
    "third_quartile": pl.Float64,
    "mean": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "examples": pl.Int64,
}
"""`third_quartile` is of the picture shown; `mean`, with its 95 % interval, of the third quartiles of many."""


def image_grid(evaluation: Evaluation, problems: list[str]) -> ImageGrid | None:
    """One row for each variant with the probe, one column for each number of steps; `None` without any."""
    found = evaluation.probes.of(ActivationMaps)
    if not found:
        return None
    steps = sorted({reading.steps for each in found for reading in each.record.readings})
    attacks = list(dict.fromkeys(each.record.attack for each in found))
    methods = {"cam": "class activation maps", "grad_cam": "Grad-CAM"}
    used = list(dict.fromkeys(methods.get(each.record.method, each.record.method) for each in found))
    return ImageGrid(
        name="activation-maps",
        section="activation-maps",
        title="Where it looks",
        reading="Evidence in the image for the predicted class: red is high, blue is low. Below each image the "
        "class, and "
        "the third quartile of the map's intensity from 0 to 255, which is large if the map covers much of the "
        "image. "
        "Its mean over many images is given with a 95% interval.",
        made=f"{', '.join(used)} along {', '.join(attacks)}; each map is scaled from 0 to 255 after bilinear "
        f"upsampling.",
        heads=tuple("clean" if step == 0 else f"after {pluralize(step, 'step')}" for step in steps),
        rows=tuple(_row(evaluation, each, steps, problems) for each in found),
        frame=_frame(found),
    )


def _row(evaluation: Evaluation, found: Found[ActivationMaps], steps: list[int], problems: list[str]) -> Row:
    record = found.record
    try:
        arrays = found.arrays()
    except BrinellError as error:
        problems.append(f"{found.variant}'s activation maps are left out: {str(error).splitlines()[0]}")
        arrays = {}
    readings = {reading.steps: reading for reading in record.readings}
    pictures = tuple(_picture(evaluation, readings.get(step), arrays) for step in steps)
    label = class_name(evaluation, record.shown.label)
    return Row(found.variant, f"example {record.shown.example_id}, {label}; {record.method}, {record.layer}", pictures)


def _picture(evaluation: Evaluation, reading: MapReading | None, arrays: Mapping[str, NDArray[Any]]) -> Picture | None:
    if reading is None:
        return None
    intensity = arrays.get(f"map_{reading.steps}")
    image = arrays.get(f"adversarial_{reading.steps}", arrays.get("image"))
    if intensity is None or image is None:
        return None
    name = class_name(evaluation, reading.prediction)
    lines = [name, f"third quartile {reading.third_quartile:.0f}"]
    if reading.mean is not None:
        known = reading.low is not None and reading.high is not None
        lines.append(f"mean {reading.mean:.0f}" + (f" ({reading.low:.0f}{NOTHING}{reading.high:.0f})" if known else ""))
    try:
        uri = data_uri(heat(image, intensity))
    except ValueError:
        return None
    alt = f"Activation map after {reading.steps} steps, predicted {name}"
    return Picture(uri, tuple(lines), alt, image.shape[0] / image.shape[1])


def _frame(found: tuple[Found[ActivationMaps], ...]) -> pl.DataFrame:
    rows = [
        {
            "variant": each.variant,
            "method": each.record.method,
            "layer": each.record.layer,
            "attack": each.record.attack,
            **each.record.shown.model_dump(),
            **reading.model_dump(),
        }
        for each in found
        for reading in each.record.readings
    ]
    return pl.DataFrame(rows, schema=MAP_SCHEMA)

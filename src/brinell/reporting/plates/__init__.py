"""The plates of a report, one file each, in the page's order."""

from brinell.analysis import Evaluation
from brinell.reporting.plate import Plate
from brinell.reporting.plates import activation_maps, gallery


def plates(evaluation: Evaluation, problems: list[str]) -> list[Plate]:
    """Every plate that there are pictures for; pictures that cannot be read are left out and named in `problems`."""
    drawn = [draw(evaluation, problems) for draw in (activation_maps.plate, gallery.plate)]
    return [plate for plate in drawn if plate is not None]


__all__ = ["plates"]

"""The plates of a report, one file each, in the page's order."""

from brinell.analysis import Evaluation
from brinell.reporting.image_grid import ImageGrid
from brinell.reporting.image_grids import activation_maps, gallery


def image_grids(evaluation: Evaluation, problems: list[str]) -> list[ImageGrid]:
    """Every plate that there are pictures for; pictures that cannot be read are left out and named in `problems`."""
    drawn = [draw(evaluation, problems) for draw in (activation_maps.plate, gallery.plate)]
    return [plate for plate in drawn if plate is not None]


__all__ = ["image_grids"]

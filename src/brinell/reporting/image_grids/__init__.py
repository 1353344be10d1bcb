"""The image grids of a report, one file each."""

from collections.abc import Callable

from brinell.analysis import Evaluation
from brinell.core.plugins import MemberList
from brinell.reporting.image_grid import ImageGrid
from brinell.reporting.image_grids import activation_maps, gallery

IMAGE_GRIDS: MemberList[Callable[[Evaluation, list[str]], ImageGrid | None]] = MemberList(
    "brinell.image_grids", activation_maps.image_grid, gallery.image_grid
)
"""What draws each image grid; another package adds one by `IMAGE_GRIDS.register`, or by an entry point."""


def image_grids(evaluation: Evaluation, problems: list[str]) -> list[ImageGrid]:
    """Every grid that there are images for; images that cannot be read are left out and named in `problems`.

    Args:
        evaluation: Of the run.
        problems: Sentences are added to it.

    Returns:
        In the order in which they are registered.
    """
    drawn = [draw(evaluation, problems) for draw in IMAGE_GRIDS]
    return [grid for grid in drawn if grid is not None]


__all__ = ["IMAGE_GRIDS", "image_grids"]

"""The figures of a report, one file each."""

from collections.abc import Callable, Mapping

from brinell.analysis import Evaluation
from brinell.core.plugins import MemberList
from brinell.reporting.drawing.chart import Figure
from brinell.reporting.drawing.palette import Style
from brinell.reporting.figures import (
    accuracy_by_technique,
    amc_search,
    attack_curves,
    compression_strain,
    corruptions,
    dns_masks,
    latency,
    layer_sparsity,
    search_front,
    security,
    stress_strain,
    tradeoff,
    training,
    transfer_heatmap,
)

FIGURES: MemberList[Callable[[Evaluation, Mapping[str, Style]], Figure | None]] = MemberList(
    "brinell.figures",
    tradeoff.figure,
    compression_strain.figure,
    search_front.figure,
    stress_strain.figure,
    attack_curves.figure,
    accuracy_by_technique.figure,
    security.figure,
    corruptions.figure,
    transfer_heatmap.figure,
    latency.figure,
    training.figure,
    amc_search.figure,
    layer_sparsity.figure,
    dns_masks.figure,
)
"""What draws each figure; another package adds one by `FIGURES.register`, or by an entry point `brinell.figures`."""


def figures(evaluation: Evaluation, styles: Mapping[str, Style]) -> list[Figure]:
    """Every figure that there are readings for.

    Args:
        evaluation: Of the run.
        styles: Colour and mark of each variant, by name.

    Returns:
        In the order in which they are registered.
    """
    drawn = [draw(evaluation, styles) for draw in FIGURES]
    return [figure for figure in drawn if figure is not None]


__all__ = ["FIGURES", "figures"]

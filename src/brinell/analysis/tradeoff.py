"""Trade-off: which variants nothing else beats, and which one gives up least for its size."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import polars as pl

TOLERANCE = 0.02
"""What a variant may give up, of clean and of robust accuracy each, and still count as keeping them."""

ALIKE = 0.05
"""Files within this share of the smallest one count as equally small."""


@dataclass(frozen=True)
class Choice:
    """The best trade-off among the compressed variants of `baseline`.

    `within` says that it loses at most `TOLERANCE` of either accuracy; otherwise it is the one that comes nearest.
    `variant` is `None` where none of the `measured` variants (beside a measured baseline) is both smaller and above
    suspicion.
    """

    baseline: str
    measured: int = 0
    variant: str | None = None
    within: bool = False
    clean_loss: float = 0.0
    robust_loss: float = 0.0
    size_ratio: float = 1.0
    """Bytes of the baseline's file over those of the variant's."""


def front(points: Sequence[tuple[float | None, float | None]]) -> list[bool]:
    """Which (size, accuracy) no other point beats: none is as small and as accurate, and better in one of the two.

    Args:
        points: Size and accuracy of each network; `None` where one is not known.

    Returns:
        Whether each point is on the front; one with something unknown is not.

    Examples:
        >>> front([(100, 0.9), (50, 0.8), (60, 0.7)])
        [True, True, False]
    """
    return [
        size is not None
        and accuracy is not None
        and not any(
            s is not None and a is not None and s <= size and a >= accuracy and (s, a) != (size, accuracy)
            for s, a in points
        )
        for size, accuracy in points
    ]


def choose(table: pl.DataFrame, suspects: Collection[str] = ()) -> list[Choice]:
    """One choice for each baseline that something is made from.

    `table` has `variant, baseline, encoded_bytes, clean_accuracy, robust_accuracy`.

    Of those that keep both accuracies the smallest file, and of files that are `ALIKE` the most robust.

    Only smaller files than the baseline's come into question, and no suspect: accuracy under attacks that cannot see
    the gradient is no robustness.

    Args:
        table: One row a variant.
        suspects: Names of variants whose gradients are masked.

    Returns:
        In the order of the baselines in `table`.

    Examples:
        >>> import polars as pl
        >>> names = ("variant", "baseline", "encoded_bytes", "clean_accuracy", "robust_accuracy")
        >>> rows = [("base", "base", 100, 0.9, 0.5), ("pruned", "base", 50, 0.9, 0.5)]
        >>> [choice.variant for choice in choose(pl.DataFrame(rows, schema=names, orient="row"))]
        ['pruned']
    """
    known = table.drop_nulls(["encoded_bytes", "clean_accuracy", "robust_accuracy"])
    rows = {row["variant"]: row for row in known.iter_rows(named=True)}
    made_from = table.filter(pl.col("variant") != pl.col("baseline"))["baseline"].unique(maintain_order=True)
    choices = []
    for name in made_from:
        children = [row for row in rows.values() if row["baseline"] == name != row["variant"]]
        base = rows.get(name)
        counted = 0 if base is None else len(children)
        trusted = [row for row in children if row["variant"] not in suspects]
        options = [] if base is None else [_option(base, row, counted) for row in trusted]
        smaller = [option for option in options if option.size_ratio > 1]
        keeping = [option for option in smaller if option.within]
        if keeping:
            smallest = max(option.size_ratio for option in keeping)
            alike = [option for option in keeping if option.size_ratio * (1 + ALIKE) >= smallest]
            choices.append(min(alike, key=lambda option: (option.robust_loss, -option.size_ratio)))
        elif smaller:
            choices.append(min(smaller, key=lambda option: max(option.clean_loss, option.robust_loss)))
        else:
            choices.append(Choice(name, counted))
    return choices


def _option(base: dict[str, float], row: dict[str, float], measured: int) -> Choice:
    clean_loss = base["clean_accuracy"] - row["clean_accuracy"]
    robust_loss = base["robust_accuracy"] - row["robust_accuracy"]
    return Choice(
        baseline=str(base["variant"]),
        measured=measured,
        variant=str(row["variant"]),
        within=max(clean_loss, robust_loss) <= TOLERANCE + 1e-9,
        clean_loss=clean_loss,
        robust_loss=robust_loss,
        size_ratio=base["encoded_bytes"] / row["encoded_bytes"] if row["encoded_bytes"] else 1.0,
    )

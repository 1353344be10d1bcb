"""Colours and shapes: one of each for a variant, the same in every figure, apart for colour-blind eyes."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

COLOURS = {
    "vermillion": "#D55E00",
    "blue": "#0072B2",
    "green": "#009E73",
    "purple": "#CC79A7",
    "orange": "#E69F00",
    "sky": "#56B4E9",
}
"""Okabe & Ito 2008, without black, which is the baselines', and yellow, which no white page shows."""

SHAPES = ("circle", "square", "diamond", "triangle-up", "triangle-down", "cross", "triangle-right")

LIGHT = {"ink": "#17191c", "muted": "#5d636d", "faint": "#8b919b", "line": "#dedfe2", "paper": "#ffffff", **COLOURS}
"""What stands for `var(--name)` where there is no page: in SVG and PDF files."""


@dataclass(frozen=True)
class Style:
    """How a variant is drawn: the name of its colour (`ink` for a baseline) and its shape."""

    colour: str
    shape: str

    @property
    def css(self) -> str:
        """The colour as a CSS value, which follows light and dark."""
        return f"var(--{self.colour})"


def styles(variants: pl.DataFrame) -> dict[str, Style]:
    """A style by variant, in the plan's order. Colours come round after six; with their shapes after forty-two."""
    names = tuple(COLOURS)
    found: dict[str, Style] = {}
    baselines = compressed = 0
    for variant, baseline in variants.select("variant", "baseline").iter_rows():
        if variant == baseline:
            found[variant] = Style("ink", SHAPES[baselines % len(SHAPES)])
            baselines += 1
        else:
            shape = 1 + compressed % len(names) + compressed // len(names)
            found[variant] = Style(names[compressed % len(names)], SHAPES[shape % len(SHAPES)])
            compressed += 1
    return found

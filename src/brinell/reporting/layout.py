"""What stands where on the page: bands of exhibits, in the order of a reader's questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from brinell.reporting.chart import Figure
from brinell.reporting.export import Exhibit
from brinell.reporting.image_grid import ImageGrid
from brinell.reporting.table import Table


@dataclass(frozen=True)
class Band:
    """Exhibits under one heading, the first one's; `folded` ones open when they are asked for."""

    exhibits: tuple[Exhibit, ...]
    folded: bool = False

    @property
    def title(self) -> str:
        """The first exhibit's."""
        return self.exhibits[0].title

    @property
    def anchor(self) -> str:
        """The first exhibit's name."""
        return self.exhibits[0].name


def bands(figures: Sequence[Figure], tables: Mapping[str, Sequence[Table]], plates: Sequence[ImageGrid]) -> list[Band]:
    """Bands that have something to show: what to take, whether it is real, how it gives way, and every reading."""
    drawn: dict[str, Exhibit] = {figure.name: figure for figure in figures}
    drawn |= {plate.name: plate for plate in plates}

    def of(*names: str) -> list[Exhibit]:
        found: list[Exhibit] = []
        for name in names:
            found += [drawn[name]] if name in drawn else [table for table in tables.get(name, ()) if table.rows]
        return found

    planned = (
        (of("variants"), False),
        (of("robust-accuracy-against-cost"), False),
        (of("masking"), False),
        (of("findings"), False),
        (of("untested"), True),
        (of("paper"), True),
        (of("worst"), False),
        (of("stress-strain", "character"), False),
        (of("attack-curves", "steps"), False),
        (of("distributions"), False),
        (of("security-curves"), False),
        (of("vulnerability", "transfer"), False),
        (of("activation-maps"), False),
        (of("gallery"), False),
        (of("attacks"), False),
        (of("top"), False),
        (of("models"), False),
        (of("energy"), False),
        (of("latency", "times"), False),
        (of("training"), False),
        (of("search", "rates"), False),
        (of("surgery"), False),
        (of("computation"), True),
        (of("notes"), True),
        (of("comparison"), True),
    )
    return [Band(tuple(exhibits), folded) for exhibits, folded in planned if exhibits]

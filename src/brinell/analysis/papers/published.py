"""What a paper prints, and what it claims, as its file says: frozen values, checked when they are read."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from brinell.core import Fraction

FOLDER: Final = Path(__file__).parent


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Attack(_Value):
    """An attack by kind; `None` is every radius, and the most steps. `traced`: its current iterate, step by step."""

    kind: str
    epsilon: Fraction | None = None
    steps: int | None = None
    settings: dict[str, Any] = {}
    traced: bool = False


class Clean(_Value):
    """Accuracy without an attack, or the error that it leaves."""

    read: Literal["clean"]
    top: Literal[1, 5] = 1
    error: bool = False


class Cost(_Value):
    """A column of `COST_SCHEMA`, times `scale`; or how often it goes into the column `into`."""

    read: Literal["cost"]
    column: str
    scale: float = 1.0
    into: str | None = None


class Attacked(_Value):
    """Accuracy under an attack on the network itself, to the `label` or the `target`; or the share `kept` (A* / A)."""

    read: Literal["attack"]
    attack: Attack
    top: Literal[1, 5] = 1
    of: Literal["label", "target", "kept"] = "label"


class Transferred(_Value):
    """Accuracy in a transfer: of the row `target` on what the row was attacked with, or of the row on `source`'s."""

    read: Literal["transfer"]
    attack: Attack
    top: Literal[1, 5] = 1
    target: str | None = None
    source: str | None = Field(None, alias="from")


class Mapped(_Value):
    """Third quartile of the class activation map after `steps` of DeepFool."""

    read: Literal["map"]
    steps: int


class Spent(_Value):
    """Mean of the energy probe's figures, or their standard `deviation`."""

    read: Literal["energy"]
    column: Literal["time_s", "power_w", "energy_j"]
    deviation: bool = False


Reads = Annotated[Clean | Cost | Attacked | Transferred | Mapped | Spent, Field(discriminator="read")]
"""What of ours stands beside a printed value."""


class Column(_Value):
    """A printed column; `note` says how ours is defined otherwise, `differs` the same for rows of a pattern."""

    title: str
    unit: str
    reads: Reads
    note: str = ""
    differs: Mapping[str, str] = {}

    def otherwise(self, row: str) -> str:
        """How ours differs by definition in this row."""
        said = [self.note, *(text for pattern, text in self.differs.items() if fnmatchcase(row, pattern))]
        return "; ".join(filter(None, said))


class Printed(_Value):
    """A printed table: `dataset` and `examples` are what it was measured on; a null was not printed."""

    where: str
    dataset: str
    examples: int
    columns: tuple[Column, ...]
    rows: Mapping[str, tuple[float | None, ...]]

    @model_validator(mode="after")
    def _whole(self) -> Printed:
        for row, values in self.rows.items():
            if len(values) != len(self.columns):
                raise ValueError(f"{self.where}, {row}: {len(values)} values for {len(self.columns)} columns")
        return self


class _Claim(_Value):
    claim: str
    where: str
    rows: tuple[str, ...]
    own: str = ""
    """What the paper's own numbers say against it."""


class Breaks(_Claim):
    """Every row falls to the breaking line by step `within`, and not by step `after`."""

    rule: Literal["breaks"]
    attack: Attack
    within: int
    after: int | None = None


class Stands(_Claim):
    """Every row stays above the breaking line up to step `upto`."""

    rule: Literal["stands"]
    attack: Attack
    upto: int


class Compare(_Claim):
    """Each row against each of `than`, in each of `reads`."""

    rule: Literal["compare"]
    verdict: Literal["more", "less", "not more", "alike"] = "more"
    than: tuple[str, ...]
    reads: tuple[Reads, ...]


class Falls(_Claim):
    """Each row's values fall from one of `reads` to the next."""

    rule: Literal["falls"]
    reads: tuple[Reads, ...]


class Reaches(_Claim):
    """Each row's value is `least` or more."""

    rule: Literal["reaches"]
    reads: Reads
    least: float


class OfCharacter(_Claim):
    """Each row has this character under the attack."""

    rule: Literal["character"]
    attack: Attack
    character: Literal["strong", "ductile", "brittle"] = Field(alias="is")


class TransfersLess(_Claim):
    """Between the rows, `attack` leaves more accuracy than the attack `than`."""

    rule: Literal["transfers"]
    attack: Attack
    than: Attack


Claim = Annotated[
    Breaks | Stands | Compare | Falls | Reaches | OfCharacter | TransfersLess, Field(discriminator="rule")
]
"""A claim as a rule that can be tested."""


class Paper(_Value):
    """A paper: its `rows` are the networks, by the names that studies give them, with what they are called in print."""

    title: str
    name: str
    training: str
    score_based_attacks: frozenset[str] = frozenset()
    """Kinds of its attacks that follow no gradient, from which masking hides nothing."""
    rows: Mapping[str, str]
    tables: tuple[Printed, ...]
    findings: tuple[Claim, ...]


def papers() -> list[str]:
    """Kinds of the papers that are here.

    Returns:
        In alphabetical order.

    Examples:
        >>> "breakingbed" in papers()
        True
    """
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


@functools.cache
def paper(kind: str) -> Paper:
    """The paper of a known kind."""
    return Paper.model_validate(yaml.safe_load((FOLDER / f"{kind}.yaml").read_text(encoding="utf-8")))

"""`seeds`: integers of 64 bits with a sign, which is what every generator takes and every table holds."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from brinell.study.config.section import Section, at_least_one

Seed = Annotated[int, Field(ge=-(2**63), lt=2**63)]
SeedList = Annotated[tuple[Seed, ...], BeforeValidator(at_least_one)]


class Seeds(Section):
    """Which seeds every variant is made with, and every random attack is run with."""

    variants: SeedList = (0,)
    attacks: SeedList = (0,)

"""`seeds`: those of variants and of attacks."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator

from brinell.core.records import Seed
from brinell.study.config.section import Section, at_least_one

SeedList = Annotated[tuple[Seed, ...], BeforeValidator(at_least_one)]


class Seeds(Section):
    """Which seeds every variant is made with, and every random attack is run with."""

    variants: SeedList = (0,)
    attacks: SeedList = (0,)

"""The grammar of conditions, for `--help`."""

from __future__ import annotations

from typing import Final

from rich.markup import escape

from brinell.core.conditions import GRAMMAR
from brinell.core.requirements import METRICS

CONDITION_HELP: Final = escape(
    f"A CONDITION is {GRAMMAR}\n\nMETRIC is {', '.join(METRICS)}. RADIUS is a number or a ratio such as 2/255, NORM "
    "is linf (the default), l2 or l1. ATTACK, RUNTIME and VARIANT are names; * in them matches anything, and a name "
    "with blanks is in quotes."
)
"""For `flowing`; a paragraph for the form and one for its parts."""

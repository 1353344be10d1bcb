"""A share of a file's bytes, or a size with a unit, as people write them."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field

from brinell.core import parse_fraction, validation_error, validation_problem

_SIZE: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?(B|bytes|kB|KB|MB|GB|KiB|MiB|GiB)")
_BYTES: Final = {
    "B": 1,
    "bytes": 1,
    "kB": 10**3,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
}


def share_or_size(value: Any) -> Any:
    """A share as a number; a size as text in bytes (`60000 B`), however it was written.

    Raises:
        ValueError: it is neither.
    """
    if value is None:
        return value
    if isinstance(value, str):
        found = _SIZE.fullmatch(value.strip())
        if found is not None and (count := round(float(found[1]) * _BYTES[found[2]])) > 0:
            return f"{count} B"
    try:
        share = parse_fraction(value)
    except ValueError:
        raise ValueError("expected a share such as 0.5, or a size such as '60 kB'") from None
    if not isinstance(share, (int, float)) or share <= 0:
        raise ValueError("expected a share above 0, or a size such as '60 kB'")
    if share > 1:
        meant = f"{share / 100:g}" if share < 100 else f"'{share:g} B'"
        hint = f"; did you mean {meant}?" if share >= 2 else ""
        raise validation_error(
            [validation_problem(f"a share is at most 1, and a size has a unit, such as '60 kB'; not {value}{hint}")]
        )
    return share


Share = Annotated[float, Field(gt=0, le=1)]
FileSize = Annotated[str, Field(pattern=r"^[1-9][0-9]* B$")]
ShareOrSize = Annotated[Share | FileSize, BeforeValidator(share_or_size)]

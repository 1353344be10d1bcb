"""Seeds are arguments: a child seed is a pure function of its parent and of what it is for."""

from __future__ import annotations

import hashlib


def derive_seed(seed: int, *purpose: str | int) -> int:
    """A 63-bit seed for `purpose` (such as `"shuffle", epoch`), independent for every other purpose.

    Args:
        seed: Of the run.
        purpose: What the numbers are for; texts and integers differ (`"1"` and 1).

    Returns:
        An integer of at least 0 and under 2 ** 63.

    Examples:
        >>> derive_seed(0, "shuffle", 3) == derive_seed(0, "shuffle", 4)
        False
    """
    text = "\x1f".join([str(seed), *(f"{type(part).__name__}:{part}" for part in purpose)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1

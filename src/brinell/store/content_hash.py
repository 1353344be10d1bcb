"""A file's content hash: SHA-256 of its place in the run and of its bytes, kept in the file itself.

It finds damage, and copies of other files. It is no signature: whoever writes a file can write its hash.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

from brinell.core import StoreError

FIELD: Final = "content_hash"
"""Key of the hash in a JSON object, and in a table's metadata."""
_PREFIX: Final = "brinell-sha256="
UNFILLED: Final = _PREFIX + "0" * 64
"""What a writer puts under `FIELD`, for `with_content_hash` to fill."""
_MARK: Final = _PREFIX.encode()
_HASH: Final = re.compile(_PREFIX.encode() + b"([0-9a-f]{64})")


def with_content_hash(data: bytes, place: str) -> bytes:
    """`data` with its hash in place of its one `UNFILLED`.

    Args:
        data: Content of a file, which holds `UNFILLED` once.
        place: The file's path in the run, which is hashed as well.

    Returns:
        As many bytes.

    Raises:
        StoreError: a text in `data` looks like a hash.

    Examples:
        >>> from brinell.store.content_hash import UNFILLED, content_hash_fits, with_content_hash
        >>> data = with_content_hash(f"results {UNFILLED}".encode(), "file")
        >>> content_hash_fits(data, "file"), content_hash_fits(data, "another file")
        (True, False)
    """
    found = _find_hashes(data)
    if len(found) != 1:
        raise StoreError(f"cannot write {place}: a text in it holds {_PREFIX!r} and 64 digits, which marks its hash")
    start, stop = found[0]
    return data[:start] + _digest(data, start, stop, place).encode() + data[stop:]


def content_hash_fits(data: bytes, place: str) -> bool | None:
    """Whether the hash in `data` is that of its bytes at `place`.

    Args:
        data: Content of a file.
        place: The file's path in the run.

    Returns:
        `None` where there is no hash.

    Examples:
        >>> from brinell.store.content_hash import UNFILLED, content_hash_fits, with_content_hash
        >>> data = with_content_hash(f"results {UNFILLED}".encode(), "file")
        >>> content_hash_fits(data.replace(b"results", b"Results"), "file")
        False
    """
    found = _find_hashes(data)
    if not found:
        return None
    start, stop = found[0]
    return len(found) == 1 and _digest(data, start, stop, place).encode() == data[start:stop]


def has_content_hash(data: bytes) -> bool:
    """Whether there is one, fitting or not."""
    return bool(_find_hashes(data))


def sha256(data: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def _find_hashes(data: bytes) -> list[tuple[int, int]]:
    """Where the digits of each hash begin and end; `bytes.find` is many times as fast as a regular expression."""
    found, at = [], data.find(_MARK)
    while at >= 0:
        match = _HASH.match(data, at)
        if match:
            found.append(match.span(1))
        at = data.find(_MARK, match.end() if match else at + 1)
    return found


def _digest(data: bytes, start: int, stop: int, place: str) -> str:
    """Of all bytes but those of the hash."""
    view = memoryview(data)
    state = hashlib.sha256(f"{place}\0".encode())
    state.update(view[:start])
    state.update(view[stop:])
    return state.hexdigest()

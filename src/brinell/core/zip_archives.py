"""Zip archives from strangers: what they unpack to is known, and bounded, before anything is unpacked."""

from __future__ import annotations

import zipfile
from typing import Final

DEFLATE_RATIO: Final = 1032
"""What DEFLATE can expand at most: a match of 258 bytes takes two bits."""


def check_stored_archive(archive: zipfile.ZipFile, size: int) -> None:
    """Refuse an archive of `size` bytes that is compressed, or whose entries share bytes.

    Args:
        archive: Open for reading.
        size: Bytes of the whole file.

    Raises:
        ValueError: what it declares.

    Examples:
        >>> import io, zipfile
        >>> file = io.BytesIO()
        >>> with zipfile.ZipFile(file, "w") as archive:
        ...     archive.writestr("zeros", bytes(1000))
        >>> check_stored_archive(zipfile.ZipFile(file), len(file.getvalue()))
    """
    entries = archive.infolist()
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise ValueError("its entries are compressed, and expected as they are")
    _check_total(sum(entry.file_size for entry in entries), size)


def check_deflated_archive(archive: zipfile.ZipFile, size: int, most: int) -> None:
    """Refuse an archive of `size` bytes that unpacks to more than `most` bytes, or than DEFLATE can have packed.

    Args:
        archive: Open for reading; nothing of it is unpacked.
        size: Bytes of the whole file.
        most: Most bytes that its entries may unpack to together.

    Raises:
        ValueError: what it declares.

    Examples:
        >>> import io, zipfile
        >>> file = io.BytesIO()
        >>> with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        ...     archive.writestr("zeros", bytes(1000))
        >>> check_deflated_archive(zipfile.ZipFile(file), len(file.getvalue()), most=1000)
    """
    entries = archive.infolist()
    if any(entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for entry in entries):
        raise ValueError("its entries are compressed by something else than DEFLATE")
    _check_total(sum(entry.file_size for entry in entries), min(most, DEFLATE_RATIO * size))


def _check_total(declared: int, most: int) -> None:
    if declared > most:
        raise ValueError(f"its entries unpack to {declared:,} bytes; at most {most:,} are accepted")

"""What a split may be called where data are split already."""

from __future__ import annotations

from typing import Final

VALIDATION: Final = ("validation", "val", "valid")

SPLIT_NAMES: Final = {
    "train": ("train", "training"),
    "validation": VALIDATION,
    "test": ("test", "testing", *VALIDATION),
}
"""Names of folders, files and columns by split, the first that exists. Without a test split, validation is the test."""

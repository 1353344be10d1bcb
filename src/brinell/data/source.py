"""What every data set is: a spec that loads a split."""

from __future__ import annotations

from abc import abstractmethod

from brinell.core import ConfigurationError, Spec
from brinell.data.dataset import Dataset


class Source(Spec):
    """Where images come from. Folders are not part of the key: the fingerprint of what they hold is."""

    @abstractmethod
    def load(self, split: str) -> Dataset:
        """All of a split, in the order of its files.

        Raises:
            ConfigurationError: there is no such split.
            DataError: the files are missing or damaged.
        """


def check_split(split: str, known: tuple[str, ...]) -> None:
    """Refuse a split that does not exist."""
    if split not in known:
        raise ConfigurationError(f"split: unknown split {split!r}; accepted: {', '.join(known)}")

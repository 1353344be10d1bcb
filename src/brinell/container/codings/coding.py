"""What every coding is: a value of the parameters that a decoder needs, and the two ways."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Self

from brinell.container.bit_patterns import BitPatterns, Bits, Bytes, Layout
from brinell.core import Spec


class Coding(Spec):
    """One way to write a vector; its fields stand in the file's header."""

    @classmethod
    @abstractmethod
    def encode(cls, vector: BitPatterns) -> Iterator[tuple[Self, list[Bytes]]]:
        """Every lay-out of this coding that could be the shortest, with its streams; none where it does not fit."""

    @abstractmethod
    def most(self, layout: Layout) -> list[int]:
        """The most bytes that each stream may inflate to: what a reader checks before it makes room for any."""

    @abstractmethod
    def decode(self, streams: Sequence[Bytes], layout: Layout) -> Bits:
        """The vector's bit patterns: `layout.count` words.

        Raises:
            StoreError: the streams contradict the parameters or each other.
        """

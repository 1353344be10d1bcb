"""Members that other packages add to a family: registered by a call, or named by their entry points."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import entry_points
from typing import Any, Generic, TypeVar

from brinell.core.errors import ConfigurationError

M = TypeVar("M")


def entry_point_members(group: str) -> list[Any]:
    """What installed packages offer under an entry point group such as `brinell.figures`, in the order of their names.

    Raises:
        ConfigurationError: one of them cannot be imported; the message names its package.
    """
    members = []
    for point in sorted(entry_points(group=group), key=lambda point: (point.name, point.value)):
        try:
            members.append(point.load())
        except Exception as error:
            package = point.dist.name if point.dist else "a package"
            raise ConfigurationError(
                f"{package} offers {point.value!r} under {group!r}, which cannot be imported: {error}"
            ) from error
    return members


class MemberList(Generic[M]):
    """The functions of one family, in order: ours, those of entry points, and those that were registered.

    Entry points are read when the list is first iterated over, so that importing the library imports nobody's code.
    """

    def __init__(self, group: str, *members: M) -> None:
        self.group = group
        self._members = list(members)
        self._loaded = False

    def __iter__(self) -> Iterator[M]:
        if not self._loaded:
            self._members += entry_point_members(self.group)
            self._loaded = True
        return iter(self._members)

    def register(self, member: M) -> M:
        """Add a member behind the others; usable as a decorator."""
        self._members.append(member)
        return member

    def unregister(self, member: M) -> None:
        """Take a registered member out again.

        Raises:
            ValueError: it is not in the list.
        """
        self._members.remove(member)

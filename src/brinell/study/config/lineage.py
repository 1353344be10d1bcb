"""How the variants of a study descend from each other, and which one each is compared with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from brinell.study.config.variants import CompressedVariant, VariantEntry


def parents_first(variants: Mapping[str, VariantEntry]) -> Iterator[str]:
    """Names in an order in which no variant comes before the one it is made from.

    In a circle, which is a mistake that is reported elsewhere, the order is any.
    """
    seen: dict[str, None] = {}
    for name in variants:
        line: list[str] = []
        at: str | None = name
        while at is not None and at not in seen and at not in line:
            line.append(at)
            at = _parent(variants[at]) if at in variants else None
        seen.update(dict.fromkeys(at for at in reversed(line) if at in variants))
    return iter(seen)


def _parent(entry: VariantEntry) -> str | None:
    return entry.parent if isinstance(entry, CompressedVariant) else None


def baselines(variants: Mapping[str, VariantEntry]) -> dict[str, str]:
    """Whom each variant is compared with: itself, where another one names it or it has no parent."""
    named = {entry.baseline for entry in variants.values()}
    compared: dict[str, str] = {}
    for name in parents_first(variants):
        entry = variants[name]
        parent = _parent(entry)
        inherited = name if parent is None else compared.get(parent, parent)
        compared[name] = name if name in named else entry.baseline or inherited
    return compared

"""Probes: questions about a variant that take attacks or a clock to answer, one file each."""

from brinell.probes import masking

__all__ = ["masking"]

"""Rate rules, one file each: how much of each layer pruning keeps, so that the whole meets a budget."""

from collections.abc import Mapping
from typing import Any

from brinell.compressors.rates.amc import AMC
from brinell.compressors.rates.layers import Layers
from brinell.compressors.rates.rates import ChosenRates, RateProblem, Rates
from brinell.compressors.rates.uniform import Uniform
from brinell.core import Registry

RATES: Registry[Rates] = Registry("rate rule", Uniform, Layers, AMC, group="brinell.rates")


def read_rates(value: Any) -> Any:
    """As `RATES.read`; a mapping without `kind` gives the share that each layer keeps.

    Args:
        value: Of a study's file or of Python.

    Returns:
        A rule of `RATES`.

    Examples:
        >>> read_rates({"conv1": 0.5}).kind
        'layers'
    """
    if isinstance(value, Mapping) and "kind" not in value:
        value = {"kind": Layers.kind, "shares": value}
    return RATES.read(value)


__all__ = ["AMC", "RATES", "ChosenRates", "Layers", "RateProblem", "Rates", "Uniform", "read_rates"]

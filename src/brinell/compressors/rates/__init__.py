"""Rate rules, one file each: how much of each layer pruning keeps, so that the whole meets a budget."""

from brinell.compressors.rates.rates import Rates
from brinell.compressors.rates.uniform import Uniform
from brinell.core import Registry

RATES: Registry[Rates] = Registry("rate rule", Uniform)

__all__ = ["RATES", "Rates", "Uniform"]

"""What a network costs: weights, memory, multiply-accumulates and XNOR operations, counted and never guessed."""

from brinell.costs.layers import LayerCost, layers
from brinell.costs.measure import Costs, measure

__all__ = ["Costs", "LayerCost", "layers", "measure"]

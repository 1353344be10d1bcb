"""Networks as people write them: `ZOO` lists them by what is unusual about each; every one takes 8 x 8 images.

`for odd in ZOO: module, input_shape, classes = odd.make()`. A network is built anew, with the same weights, at each
`make`, so that a second one serves as the reference for whatever was done to the first.
"""

from zoo import (
    arithmetic,
    control_flow,
    dtypes,
    functions,
    hooks,
    layers,
    normalizations,
    outputs,
    random_networks,
    reparametrizations,
    sharing,
    state,
    wrappers,
)
from zoo.odd import CLASSES, INPUT_SHAPE, OddNetwork, evaluated, images_for, input_gradient

ZOO: tuple[OddNetwork, ...] = (
    *hooks.NETWORKS,
    *functions.NETWORKS,
    *control_flow.NETWORKS,
    *sharing.NETWORKS,
    *normalizations.NETWORKS,
    *reparametrizations.NETWORKS,
    *wrappers.NETWORKS,
    *layers.NETWORKS,
    *arithmetic.NETWORKS,
    *state.NETWORKS,
    *dtypes.NETWORKS,
    *outputs.NETWORKS,
    *random_networks.NETWORKS,
)

__all__ = ["CLASSES", "INPUT_SHAPE", "ZOO", "OddNetwork", "evaluated", "images_for", "input_gradient"]

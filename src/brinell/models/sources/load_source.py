"""Load a network that is not built in, as a graph where it can be one."""

from __future__ import annotations

from dataclasses import replace

import torch

from brinell.core import ModelError, derive_seed
from brinell.models.sources.capture import capture_graph
from brinell.models.sources.network_digests import weights_digest
from brinell.models.sources.network_source import LoadedNetwork, NetworkSource


def load_source(
    source: NetworkSource,
    input_shape: tuple[int, int, int] | None = None,
    *,
    seed: int = 0,
    trusted: bool = False,
) -> LoadedNetwork:
    """The network of `source`, so that `.brinell` files of it stand alone wherever that is possible.

    Args:
        source: Where it comes from.
        input_shape: (channels, height, width) of the images; by default what the network declares.
        seed: Of PyTorch's random numbers, which decides weights that are drawn afresh.
        trusted: Whether code that the source names may run.

    Returns:
        A graph (`capture_graph`), or the module as it is where it cannot become one; `needs_code` says why.

    Raises:
        ConfigurationError: It would run code and is not trusted, or a package is not installed.
        ModelError: It cannot be loaded, or is no classifier of such images.

    Examples:
        >>> source = CustomNetwork(module="torch.nn", factory="Flatten")
        >>> load_source(source, (1, 8, 8), trusted=True).classes
        64
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "weights"))
        loaded = source.load(input_shape, trusted=trusted)
    loaded = replace(loaded, weights_digest=weights_digest(loaded.module))
    try:
        return replace(loaded, module=capture_graph(loaded.module, loaded.input_shape))
    except ModelError as error:
        return replace(loaded, needs_code=str(error))

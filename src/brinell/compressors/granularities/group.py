"""A group of channels that are removed together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Group:
    """Channels that are removed together; by layer `(channels, s)`, the s places of each among its inputs or outputs.

    s is 1 but after a flattening, where a channel is as many inputs of a linear layer as it has pixels. Named after the
    first layer that gives these channels. Batch norms and depthwise convolutions stand under `outputs`.
    """

    name: str
    channels: int
    inputs: Mapping[str, Tensor]
    outputs: Mapping[str, Tensor]

    @property
    def members(self) -> set[str]:
        """Names of all its layers."""
        return {*self.inputs, *self.outputs}

"""One training on several GPUs: as many processes as `torchrun` has started, each with its share of every batch."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, distributed, nn

from brinell.core import ConfigurationError
from brinell.training.batch import Batch


@dataclass(frozen=True)
class ProcessGroup:
    """This process among those that train one network together; `Ranks()` is alone."""

    rank: int = 0
    count: int = 1
    local_rank: int = 0
    local_count: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    def fabric(self) -> dict[str, Any]:
        """Fabric's arguments for so many processes."""
        if self.count == 1:
            return {}
        return {"strategy": "ddp", "devices": self.local_count, "num_nodes": self.count // self.local_count}

    def share(self, batch: Batch) -> tuple[Batch, float]:
        """This process' part of a batch, and the weight of its mean loss in the mean of all processes' losses."""
        if self.count == 1:
            return batch, 1.0
        part = batch.part(slice(self.rank, None, self.count))
        return part, len(part.labels) * self.count / len(batch.labels)

    def mean(self, values: Tensor) -> Tensor:
        """The processes' mean of each value."""
        if self.count > 1:
            distributed.all_reduce(values)
            values /= self.count
        return values

    def meet(self) -> None:
        """Wait until every process is here: what the first one wrote before can then be read by all."""
        if self.count > 1:
            distributed.barrier()

    def agree(self, module: nn.Module) -> None:
        """Give every process the first one's buffers: batch norm's statistics are those of each one's own examples."""
        if self.count > 1:
            for buffer in module.buffers():
                distributed.broadcast(buffer, 0)

    def check(self, least: int) -> None:
        """Refuse batches, of which the smallest has `least` examples, that are too small to share.

        Raises:
            ConfigurationError: a process would get fewer than two examples, which have no variance for batch norm.
        """
        if self.count > 1 and least < 2 * self.count:
            raise ConfigurationError(
                f"train.batch_size: the smallest batch has {least} examples; {self.count} processes need at least "
                f"{2 * self.count}"
            )


def process_group() -> ProcessGroup:
    """Rank and number of processes started by `torchrun`; a single process otherwise.

    Returns:
        Ranks from 0.

    Examples:
        >>> process_group().count
        1
    """
    if not distributed.is_torchelastic_launched():
        return ProcessGroup()
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
    return ProcessGroup(*(int(os.environ[name]) for name in names))


def own_gpu() -> int:
    """Index of the GPU that `cuda` without a number means here: under `torchrun`, one for each process."""
    return process_group().local_rank if process_group().count > 1 else torch.cuda.current_device()

"""What every probe is: a spec that asks a variant one question, and answers with a record and pictures."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from numpy.typing import NDArray
from torch import Tensor, nn

from brinell.attacks import Attack
from brinell.core import Progress, Spec, no_progress
from brinell.variants import Variant


@dataclass(frozen=True)
class ProbeInput:
    """Who is asked, with what: images `(N, C, H, W)` in [0, 1], labels and ids `(N,)`, the first of the test split."""

    variant: Variant
    images: Tensor
    labels: Tensor
    ids: Tensor
    seed: int = 0
    reference: Variant | None = None
    """The uncompressed network at the root of the variant's lineage, where that is another."""
    weight_bytes: float | None = None
    """What its weights take at their nominal width; unknown, they take what `costs.measure` counts."""
    machine: str = ""
    """What it is run on, in words."""
    progress: Progress = no_progress


class ProbeResult(NamedTuple):
    """A JSON-able record, and arrays by name."""

    record: dict[str, Any]
    arrays: Mapping[str, NDArray[Any]] | None = None


def to_dtype_of(network: Any, images: Tensor) -> Tensor:
    """`images` in the type of the network's first floating parameter, as they are where it has none."""
    parameters = network.parameters() if isinstance(network, nn.Module) else ()
    found = next((values for values in parameters if values.is_floating_point()), None)
    return images if found is None else images.to(found.dtype)


class Probe(Spec):
    """Settings of a question; no model inside."""

    exclusive: ClassVar[bool] = False
    """Whether it measures the machine too: then nothing else may run meanwhile."""
    random: ClassVar[bool] = False
    """Whether the answer depends on the seed."""
    joins_gradient_attacks: ClassVar[bool] = False
    """Whether a study in which an attack needs a gradient runs it without being asked, unless it says `false`."""

    examples: int
    """Test images that the probe reads."""

    @abstractmethod
    def ask(self, asked: ProbeInput) -> ProbeResult:
        """The answer.

        Raises:
            UnsupportedError: the variant cannot be asked that.
            DataError, ModelError: the images or the network are not what is expected.
        """

    @abstractmethod
    def passes(self) -> float:
        """Estimated forward passes of one image; a backward pass counts as two."""

    @classmethod
    def completed(cls, settings: Mapping[str, Any], attacks: Mapping[str, Sequence[Attack]]) -> dict[str, Any] | None:
        """`settings` with those that a study's attacks decide where they are left out.

        `attacks` are by name, each at all of its points. An attack without points is not valid; `None` where the
        settings depend on such a one.

        Raises:
            ValidationError: a setting that refers to the attacks is wrong; its place is inside the settings.
        """
        return dict(settings)

"""A gallery: some images, what an attack makes of them, and what the variant then sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, SerializeAsAny
from torch import Tensor

from brinell.attacks import ATTACKS, Attack, run_trial
from brinell.core import NotInKey, choices, validation_error, validation_problem
from brinell.probes.probe import Probe, ProbeInput, ProbeResult


class Gallery(Probe):
    """The first `examples` with their adversarials of one attack at one point.

    Examples:
        >>> import brinell
        >>> brinell.probes.Gallery(attack={"kind": "fgsm", "epsilon": "8/255"}).examples
        8
    """

    kind = "gallery"
    random: ClassVar[bool] = True

    attack: Annotated[SerializeAsAny[Attack], BeforeValidator(ATTACKS.read)]
    """Attack that makes the adversarial examples."""
    examples: int = Field(8, ge=1)
    """Number of test images shown."""
    name: Annotated[str, NotInKey()] = ""
    """Name of the attack in the report; by default its kind."""

    @classmethod
    def completed(cls, settings: Mapping[str, Any], attacks: Mapping[str, Sequence[Attack]]) -> dict[str, Any] | None:
        """`attack` may be the name of one of the study's, the first by default: it is shown at its last point."""
        attack = settings.get("attack")
        if isinstance(attack, Mapping):
            return dict(settings)
        if attack is None and not attacks:
            raise validation_error([validation_problem("missing; the study has no attack to show", "attack")])
        name = next(iter(attacks)) if attack is None else attack
        if not isinstance(name, str) or name not in attacks:
            raise validation_error(
                [validation_problem(f"there is no {name!r}; {choices(str(name), list(attacks))}", "attack")]
            )
        return {**settings, "attack": attacks[name][-1].config(), "name": name} if attacks[name] else None

    def ask(self, asked: ProbeInput) -> ProbeResult:
        """Attack them and keep the images."""
        result = run_trial(
            asked.variant.deployed(),
            asked.variant.view(None) if self.attack.needs == "gradient" else asked.variant.deployed(),
            asked.images,
            asked.labels,
            asked.ids,
            self.attack,
            seed=asked.seed,
            rounded=False,
            keep_images=True,
            progress=asked.progress,
        )
        if result.adversarials is None:
            raise AssertionError("keep_images was set")
        rows, point = result.rows, self.attack.point
        names = ("example_id", "label", "clean_prediction", "prediction")
        record = {
            "attack": self.name or self.attack.kind,
            "epsilon": point.epsilon,
            "steps": point.steps,
            "examples": [{name: int(rows[name][place]) for name in names} for place in range(len(rows["example_id"]))],
        }
        return ProbeResult(record, {"clean": pictures(asked.images), "adversarial": pictures(result.adversarials[0])})

    def passes(self) -> float:
        """Three a step of a gradient attack."""
        return 3.0 * self.examples * self.attack.point.steps


def pictures(images: Tensor) -> NDArray[np.float32]:
    """Images `(..., C, H, W)` with their channels last, as float32."""
    moved: NDArray[np.float32] = images.detach().to("cpu", torch.float32).movedim(-3, -1).contiguous().numpy()
    return moved

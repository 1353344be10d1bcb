"""Class activation maps along an attack: where a variant looks, and how that changes while it is pushed away.

BreakingBED, section 4.3 and table 3.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from brinell.attacks import DeepFool, run_trial
from brinell.core import Point
from brinell.probes.cam import CAM
from brinell.probes.gallery import pictures
from brinell.probes.probe import Probe, ProbeInput, ProbeResult

_NORMAL: Final = 1.959964
"""97.5th percentile of the normal distribution."""
_BATCH: Final = 100


class ActivationMaps(Probe):
    """Maps for the predicted class before and along DeepFool, of one image and, in numbers, of many.

    Each map is brought to the input's size bilinearly and stretched to 0..255. What is read off it is the third
    quartile of its pixels: for the one `shown` (a place in the test order), and as a mean with its 95 % interval over
    `examples`. An image that has flipped stays as it was when it did.

    Examples:
        >>> import brinell
        >>> brinell.probes.ActivationMaps(examples=20).steps
        (0, 1, 5)
    """

    kind = "activation_maps"

    steps: tuple[int, ...] = (0, 1, 5)
    """Iterations of the attack; 0 is the clean image."""
    examples: int = Field(100, ge=1)
    """Test images that the interval is computed from."""
    shown: int = Field(0, ge=0)
    """Index of the test image whose maps are shown."""

    def ask(self, asked: ProbeInput) -> ProbeResult:
        """Attack, and look."""
        network, shown = asked.variant.view(), min(self.shown, len(asked.images) - 1)
        looker = CAM.of(network, asked.images[:8])
        readings, arrays = [], {"image": _bytes(asked.images[shown])}
        for steps, images in self._along(asked).items():
            parts = [looker.look(part) for part in images.split(_BATCH)]
            maps = torch.cat([stretched(part.maps, images.shape[-2:]) for part in parts])
            predictions = torch.cat([part.predictions for part in parts])
            readings.append({"steps": steps, "prediction": int(predictions[shown]), **_figures(maps, shown)})
            arrays |= {f"map_{steps}": maps[shown].round().to(torch.uint8).numpy()}
            arrays |= {f"adversarial_{steps}": _bytes(images[shown])}
        record = {
            "method": looker.method,
            "layer": looker.layer,
            "attack": DeepFool.kind,
            "shown": {"example_id": int(asked.ids[shown]), "label": int(asked.labels[shown])},
            "readings": readings,
        }
        return ProbeResult(record, arrays)

    def _along(self, asked: ProbeInput) -> dict[int, Tensor]:
        """The images after each number of iterations."""
        wanted = sorted(set(self.steps) | {0})
        found = {0: asked.images}
        if attacked := [steps for steps in wanted if steps]:
            result = run_trial(
                asked.variant.deployed("reference"),
                asked.variant.view(),
                asked.images,
                asked.labels,
                asked.ids,
                DeepFool(steps=attacked[-1]),
                points=[Point(None, steps) for steps in attacked],
                rounded=False,
                keep_images=True,
                progress=asked.progress,
            )
            if result.adversarials is None:
                raise AssertionError("keep_images was set")
            found |= dict(zip(attacked, result.adversarials, strict=True))
        return found

    def passes(self) -> float:
        """DeepFool differentiates ten classes a step."""
        return self.examples * (20.0 * max(self.steps, default=0) + len(self.steps))


def stretched(maps: Tensor, size: tuple[int, ...]) -> Tensor:
    """Maps `(n, h, w)` brought to `size` and to 0..255 each; one that is the same everywhere is 0."""
    large = F.interpolate(maps[:, None], size=size, mode="bilinear", align_corners=False)[:, 0]
    low, high = large.amin((1, 2), keepdim=True), large.amax((1, 2), keepdim=True)
    return 255 * (large - low) / torch.where(high > low, high - low, 1.0)


def _figures(maps: Tensor, shown: int) -> dict[str, float | int]:
    quartiles = np.percentile(maps.flatten(1).numpy(), 75, axis=1)
    mean, count = float(quartiles.mean()), len(quartiles)
    half = _NORMAL * float(quartiles.std(ddof=1)) / count**0.5 if count > 1 else 0.0
    return {
        "third_quartile": float(quartiles[shown]),
        "mean": mean,
        "low": mean - half,
        "high": mean + half,
        "examples": count,
    }


def _bytes(image: Tensor) -> NDArray[Any]:
    return np.rint(pictures(image) * 255).astype(np.uint8)

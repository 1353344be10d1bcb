"""Eight bits: weights and computation, as ONNX Runtime's static quantisation leaves them."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from brinell.compressors.compressor import Compressor
from brinell.compressors.training_stages import check_fit
from brinell.core import ModelError, Progress, derive_seed, no_progress
from brinell.data import Dataset
from brinell.nn.onnx_graph import Calibration, OnnxNetwork, int8_share, quantize, to_onnx
from brinell.variants import OnnxGraph, Step, Variant, natural_view

_COMPARED = 500
"""Training images, none of those calibrated on where there are enough, on which the networks are compared."""


class Int8(Compressor):
    """Weights and activations in 8 bits, computed in integers by ONNX Runtime; nothing is trained.

    Batch norms are folded first. Activations are unsigned, their ranges measured on training images; weights are signed
    and symmetric, with a scale a filter (`per_channel`) or one a layer. What ships is the quantised ONNX graph, and
    that is judged, run by ONNX Runtime. A white-box attacker looks at its twin in PyTorch, built from the very graph,
    which rounds forwards and lets gradients straight through (Jacob 2018); how often the two agree is a figure of the
    step. Later steps are not possible.
    """

    kind = "int8"
    has_surrogates: ClassVar[bool] = False

    calibration: Calibration = "minmax"
    calibration_examples: int = Field(512, ge=1)
    per_channel: bool = True

    def view_from(self, parent: str) -> str:
        """Rounding has no gradient of its own."""
        return "straight_through"

    def compress(
        self,
        variant: Variant,
        data: Dataset,
        *,
        seed: int,
        device: str | torch.device | None = None,
        checkpoint: Path | None = None,
        progress: Progress = no_progress,
    ) -> Variant:
        """The quantised variant; its figures say what was measured."""
        check_fit(variant, data)
        if data.input_shape != variant.input_shape:
            raise ModelError(f"the model takes images {variant.input_shape}; {data.name} has {data.input_shape}")
        module = variant.deployed("reference")
        if natural_view(module) != "exact" or isinstance(module, OnnxNetwork):
            raise ModelError("int8 quantises float layers, and this network is binary or quantised already")
        order = data.order(derive_seed(seed, self.kind))
        chosen, others = order[: self.calibration_examples], order[self.calibration_examples :]
        calibrated, compared = (
            data.subset(part).tensors()[0] for part in (chosen, (others if len(others) else chosen)[:_COMPARED])
        )
        progress(self.kind, 0, 3)
        graph = to_onnx(module, variant.input_shape)
        progress(self.kind, 1, 3)
        graph = quantize(graph, calibrated, calibration=self.calibration, per_channel=self.per_channel)
        progress(self.kind, 2, 3)
        network = OnnxNetwork.of(graph).eval()
        figures = {**_agreement(network, module, compared), "int8_macs": int8_share(graph, compared[:1])}
        progress(self.kind, 3, 3)
        step = Step(self.kind, self.config(), seed, figures)
        return variant.child(network, step, structure=(*variant.structure, OnnxGraph(size=len(graph))))


@torch.inference_mode()
def _agreement(network: OnnxNetwork, parent: nn.Module, images: Tensor) -> dict[str, float]:
    """How often the largest logit is the same: of the deployed network and its twin, and of it and what it was."""
    said = [_predictions(module, images) for module in (network, network.fake_quantized(), parent)]
    names = ("agreement_with_twin", "agreement_with_parent")
    return {name: float((said[0] == other).double().mean()) for name, other in zip(names, said[1:], strict=True)}


def _predictions(module: nn.Module, images: Tensor) -> Tensor:
    return torch.cat([module(part).argmax(1) for part in images.split(64)])

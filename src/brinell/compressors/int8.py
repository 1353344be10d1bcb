"""Eight bits: weights and computation, as ONNX Runtime's static quantisation leaves them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from brinell.compressors.compressor import Compressor
from brinell.core import ModelError, OmitDefaultFromKey, Progress, derive_seed
from brinell.data import Dataset
from brinell.nn.onnx_graph import (
    Calibration,
    OnnxNetwork,
    batch_size,
    count_int8_weights,
    int8_mac_share,
    quantize,
    to_onnx,
    weight_bits,
)
from brinell.variants import OnnxGraph, Step, Variant, natural_view

_COMPARED = 500
"""Training images, none of those calibrated on where there are enough, on which the networks are compared."""


class Int8(Compressor):
    """Weights and activations in 8 bits, computed in integers by ONNX Runtime; nothing is trained.

    Batch norms are folded first. Activations are unsigned, their ranges measured on training images; weights are signed
    and symmetric, of 7 bits (`reduce_range`), with a scale a filter (`per_channel`) or one a layer. What ships is the
    quantised ONNX graph, and that is judged, run by ONNX Runtime. A white-box attacker looks at its twin in PyTorch,
    built from the very graph, which rounds forwards and lets gradients straight through (Jacob 2018); how often the two
    agree is a figure of the step. Later steps are not possible.

    Examples:
        >>> import brinell
        >>> brinell.compressors.Int8(calibration="percentile").per_channel
        True
    """

    kind = "int8"
    # Attacks did not get the gradients of the fake-quantised network of revision 1; in revision 2 sums saturated on
    # processors without VNNI.
    revision = 3
    has_surrogates: ClassVar[bool] = False
    integer_arithmetic: ClassVar[bool] = True

    calibration: Calibration = "minmax"
    """How ranges of activations are found: `minmax`, `percentile` or `entropy`."""
    calibration_examples: int = Field(512, ge=1)
    """Training images that the ranges are measured on."""
    per_channel: bool = True
    """One scale for each filter instead of one for each layer."""
    exact_weights: Annotated[bool, OmitDefaultFromKey()] = False
    """Change no weight, as INQ's powers of two allow: a layer is computed in 8 bits where each filter is whole numbers
    up to 127 (seven powers of two of either sign) times a scale of its own; other layers stay float."""

    reduce_range: Annotated[bool, OmitDefaultFromKey()] = True
    """Weights of 7 bits, or of 8 (by default with `exact_weights`). On processors without VNNI the fast instructions
    add pairs of products in 16 bits. With weights of 8 bits such sums saturate, and a runtime that takes these
    instructions computes another network; with 7 bits no pair can saturate."""

    @model_validator(mode="before")
    @classmethod
    def _exact_weights_have_eight_bits(cls, given: Any) -> Any:
        if isinstance(given, Mapping) and given.get("exact_weights") and "reduce_range" not in given:
            return {**given, "reduce_range": False}
        return given

    @model_validator(mode="after")
    def _exact_weights_have_a_scale_a_filter(self) -> Self:
        if self.exact_weights and not self.per_channel:
            raise ValueError("exact_weights needs per_channel, for each filter has a scale of its own")
        if self.exact_weights and self.reduce_range:
            raise ValueError("exact_weights and reduce_range exclude each other: 7 bits would change weights")
        return self

    def view_from(self, parent: str) -> str:
        """Rounding has no gradient of its own."""
        return "straight_through"

    def _compress(
        self,
        variant: Variant,
        data: Dataset,
        *,
        seed: int,
        device: str | torch.device | None,
        checkpoint: Path | None,
        progress: Progress,
    ) -> Variant:
        """The quantised variant; its figures say what was measured."""
        if data.input_shape != variant.input_shape:
            raise ModelError(f"the model takes images {variant.input_shape}; {data.name} has {data.input_shape}")
        module = variant.deployed("reference")
        if natural_view(module) != "exact" or isinstance(module, OnnxNetwork):
            raise ModelError("int8 quantises float layers, and this network is binary or quantised already")
        order = data.order(derive_seed(seed, self.kind))
        chosen, others = order[: self.calibration_examples], order[self.calibration_examples :]
        compared = data.subset((others if len(others) else chosen)[:_COMPARED]).tensors()[0]
        progress(self.kind, 0, 3)
        graph = to_onnx(module, variant.input_shape)
        progress(self.kind, 1, 3)
        graph = quantize(
            graph,
            data.images[chosen],
            calibration=self.calibration,
            per_channel=self.per_channel,
            reduce_range=self.reduce_range,
            exact_weights=self.exact_weights,
        )
        progress(self.kind, 2, 3)
        network = OnnxNetwork.of(graph).eval()
        figures = {
            **_agreement(network, module, compared),
            "int8_macs": int8_mac_share(graph, compared[:1]),
            "weight_bits": weight_bits(graph),
            "coverage": _coverage(graph),
        }
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
    return torch.cat([module(part.clone()).argmax(1) for part in images.split(batch_size(images))])


def _coverage(graph: bytes) -> dict[str, Any]:
    """As `coverage` counts, of the weights in the graph that ships."""
    integers, kept = count_int8_weights(graph)
    total = integers + sum(count for count, _ in kept.values())
    untouched = {
        name: {"weights": count, "reason": f"stays float: taken by {operation}"}
        for name, (count, operation) in sorted(kept.items(), key=lambda item: -item[1][0])
    }
    share = integers / total if total else 1.0
    return {"share": share, "weights": total, "covered": integers, "untouched": untouched}

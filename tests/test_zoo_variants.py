"""Networks as people write them, exported, on other runtimes, and probed: each agrees with the plain network, or is one
clear error."""

from __future__ import annotations

import warnings

import pytest
import torch

from brinell.attacks import FGSM
from brinell.core import BrinellError
from brinell.probes import ActivationMaps, Corruptions, Energy, Gallery, Latency, Masking, Probe, ProbeInput
from brinell.variants import Variant
from covering import covering_pairs
from zoo import ZOO, OddNetwork, evaluated, images_for

WORKING = [odd for odd in ZOO if odd.refused is None]
RUNTIMES = ("onnxruntime", "openvino", "auto")
PROBES: dict[str, Probe] = {
    "activation_maps": ActivationMaps(steps=(0,), examples=6),
    "corruptions": Corruptions(corruptions=("gaussian_noise",), severities=(1,), examples=6),
    "energy": Energy(examples=6, runs=2),
    "gallery": Gallery(attack=FGSM(epsilon=0.1), examples=6),
    "latency": Latency(batches=(1, 4), runs=2),
    "masking": Masking(epsilon=0.1, examples=6),
}


def name_of(value: OddNetwork | str) -> str:
    return value if isinstance(value, str) else value.name


def variant_of(odd: OddNetwork) -> Variant | None:
    """`None`: refused, with an error of ours."""
    try:
        return Variant.of(odd.make()[0], input_shape=(1, 8, 8), classes=10)
    except BrinellError:
        return None


@pytest.mark.parametrize(("odd", "runtime"), covering_pairs(WORKING, RUNTIMES, name=name_of))
def test_another_runtime_computes_the_same_or_refuses(odd: OddNetwork, runtime: str) -> None:
    pytest.importorskip("onnxruntime" if runtime == "auto" else runtime)
    variant = variant_of(odd)
    if variant is None:
        return
    with torch.no_grad():
        expected = evaluated(odd.make()[0])(images_for(odd)).float()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what tracing thinks of the network
        try:
            network = variant.deployed(runtime)
            found = network(images_for(odd, 6).to(torch.float32 if runtime != "auto" else odd.dtype)).float()
        except BrinellError:
            return
    tolerance = 3e-2 if odd.coarse else 1e-3
    assert odd.random or torch.allclose(found, expected, rtol=tolerance, atol=tolerance * float(expected.abs().max()))


@pytest.mark.parametrize(("odd", "kind"), covering_pairs(WORKING, [*PROBES], name=name_of))
def test_a_probe_reads_or_refuses(odd: OddNetwork, kind: str) -> None:
    variant = variant_of(odd)
    if variant is None:
        return
    images = images_for(odd).float()
    reference = evaluated(odd.make()[0])
    with torch.no_grad():
        labels = reference(images_for(odd)).argmax(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            reading = PROBES[kind].ask(ProbeInput(variant, images, labels, torch.arange(6)))
        except BrinellError:
            return
    assert reading.record
    if kind == "masking":
        assert reading.record["robust_accuracy"] <= reading.record["reported"]
    if kind == "gallery" and reading.arrays is not None and not odd.random:
        with torch.no_grad():
            shown = torch.from_numpy(reading.arrays["adversarial"]).movedim(-1, -3).to(odd.dtype)
            logits = reference(shown.contiguous()).float()
        best = logits.topk(2).values
        sure = best[:, 0] - best[:, 1] > 1e-3
        predictions = torch.tensor([example["prediction"] for example in reading.record["examples"]])
        assert torch.equal(predictions[sure], logits.argmax(1)[sure])

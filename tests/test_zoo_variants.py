"""Networks as people write them, exported, on other runtimes, and probed: each agrees with the plain network, or is one
clear error."""

from __future__ import annotations

import warnings

import pytest
import torch

from brinell.core import BrinellError
from brinell.probes import ActivationMaps, Probe, ProbeInput
from brinell.variants import Variant
from zoo import ZOO, OddNetwork, evaluated, images_for

WORKING = [odd for odd in ZOO if odd.refused is None]
PROBES: dict[str, Probe] = {
    "activation_maps": ActivationMaps(steps=(0,), examples=6),
}


def variant_of(odd: OddNetwork) -> Variant | None:
    """`None`: refused, with an error of ours."""
    try:
        return Variant.of(odd.make()[0], input_shape=(1, 8, 8), classes=10)
    except BrinellError:
        return None


@pytest.mark.parametrize("runtime", ["onnxruntime"])
@pytest.mark.parametrize("odd", WORKING, ids=lambda odd: odd.name)
def test_another_runtime_computes_the_same_or_refuses(odd: OddNetwork, runtime: str) -> None:
    pytest.importorskip(runtime)
    variant = variant_of(odd)
    if variant is None:
        return
    with torch.no_grad():
        expected = evaluated(odd.make()[0])(images_for(odd)).float()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what tracing thinks of the network
        try:
            found = variant.deployed(runtime)(images_for(odd).float())
        except BrinellError:
            return
    assert odd.random or torch.allclose(found, expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max()))


@pytest.mark.parametrize("kind", PROBES)
@pytest.mark.parametrize("odd", WORKING, ids=lambda odd: odd.name)
def test_a_probe_reads_or_refuses(odd: OddNetwork, kind: str) -> None:
    variant = variant_of(odd)
    if variant is None:
        return
    images = images_for(odd).float()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            reading = PROBES[kind].ask(ProbeInput(variant, images, torch.arange(6) % 10, torch.arange(6)))
        except BrinellError:
            return
    assert reading.record

"""BreakingBED's Table 1 by our definitions, and the page that says where it prints something else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch import nn

from brinell.compressors import ABCNet, XNORNet
from brinell.compressors.binarization import binary_candidates
from brinell.costs import Costs, measure
from brinell.models import MODELS
from brinell.variants import ABCLayers, BinaryLayers

PAGE = (Path(__file__).parents[2] / "docs" / "costs.md").read_text()
KINDS = {
    "ResNet-20": "resnet20",
    "ResNet-56": "resnet56",
    "ResNet-18": "resnet18",
    "ResNet-50": "resnet50",
    "MobileNet v1": "mobilenet_v1",
    "AlexNet": "alexnet",
    "SqueezeNet 1.0": "squeezenet1_0",
    "Inception v3": "inception_v3",
}


def table(first: str) -> dict[str, list[str]]:
    """The cells of the page's table whose header begins with `first`, by row."""
    block = PAGE[PAGE.index(f"| {first} |".replace("|  |", "| |")) :].split("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()[2:]]
    return {name: cells for name, *cells in rows}


COUNTS, FIGURES = table(""), table("row")
REASONS = PAGE[PAGE.index("| printed | defined | why") :]


def costs(row: str) -> Costs:
    """Of a row: its float network, or the binary one as the paper's rows have it."""
    name = next(name for name in KINDS if row.startswith(name))
    spec = MODELS[KINDS[name]]()
    with torch.device("meta"):
        module: nn.Module = spec.module()
    module, shape = module.to_empty(device="cpu").eval(), spec.input_shape  # no time is lost on weights
    if row.endswith("XNOR"):
        kept = ("*.downsample.*",) if name == "ResNet-18" else ()
        layers = binary_candidates(module, shape, XNORNet(float_layers=kept).float_layers)
        BinaryLayers(layers=layers).apply(module, latent=False)
    elif bases := re.search(r"ABC\((\d)x(\d)\)", row):
        m, n = int(bases[1]), int(bases[2])
        layers = binary_candidates(module, shape, ABCNet().float_layers)
        change = ABCLayers(layers=layers, weight_bases=m, activation_bases=n, scales="filter")
        change.apply(module, latent=False)
    return measure(module.eval(), shape)


@pytest.mark.parametrize("row", list(COUNTS))
def test_the_exact_counts(row: str) -> None:
    found = costs(row)
    assert [f"{count:,}" for count in (found.weights, found.macs, found.xnor_ops)] == COUNTS[row]


@pytest.mark.parametrize("row", list(FIGURES))
def test_the_printed_figures_are_the_defined_ones_or_the_page_says_why_not(row: str) -> None:
    found = costs(row)
    printed_memory, memory, printed_ncc, ncc = FIGURES[row]
    for printed, defined, value in (
        (printed_memory, memory, found.memory_mb),
        (printed_ncc, ncc, found.ncc / 1e6),
    ):
        assert defined == f"{value:.3f}"
        bare = printed.strip("*")
        agrees = f"{value:.{len(bare.partition('.')[2])}f}" == bare
        assert agrees == (bare == printed), f"{printed} is printed for {value}"
        if not agrees:
            assert re.search(rf"[| ]{re.escape(bare)}[ ,].*{re.escape(defined)}", REASONS), f"{bare} has no reason"


def test_the_page_has_every_row_that_does_not_depend_on_pruning() -> None:
    assert len(FIGURES) == 15
    assert sum(cell.startswith("**") for cells in FIGURES.values() for cell in cells) == 9

"""The harness's verdict: ranks, ties, 8-bit rounding, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import brinell
from brinell.attacks import FGSM, PGD, BrinellWarning, clean_predictions, run_trial
from brinell.attacks.harness.predictions import read_predictions, rounded_to_bytes
from brinell.core import ConfigurationError, DataError, ModelError, UnsupportedError
from brinell.testing.linear_problems import two_classes


def test_ranks_count_ties_against_the_network() -> None:
    logits = torch.tensor([[3.0, 1.0, 2.0], [3.0, 3.0, 2.0], [0.0, 0.0, 0.0]])
    found = read_predictions(logits, torch.tensor([0, 0, 1]), torch.tensor([2, 1, 2]))
    assert found.rank.tolist() == [0, 1, 2]
    assert found.margin.tolist() == [1.0, 0.0, 0.0]
    assert found.target_rank is not None
    assert found.target_rank.tolist() == [1, 0, 0]


@given(st.lists(st.tuples(st.integers(0, 255), st.floats(0, 1)), min_size=1, max_size=30))
def test_rounding_is_to_the_nearest_level_and_halves_go_home(pixels: list[tuple[int, float]]) -> None:
    clean = torch.tensor([level / 255 for level, _ in pixels]).view(1, 1, 1, -1)
    moved = torch.tensor([value for _, value in pixels]).view(1, 1, 1, -1)
    rounded, _ = rounded_to_bytes(moved, clean)
    levels = rounded.double() * 255
    assert torch.allclose(levels, levels.round(), atol=1e-4)
    assert ((rounded - moved).abs() <= 0.5 / 255 + 1e-6).all()


def test_halves_go_towards_the_clean_image_and_less_is_void() -> None:
    clean = torch.full((3, 1, 1, 2), 100 / 255)
    moved = clean + torch.tensor([0.5, 1.5, 0.3]).view(3, 1, 1, 1) / 255 * torch.tensor([1.0, -1.0])
    rounded, void = rounded_to_bytes(moved, clean)
    assert (rounded[1] * 255).round().flatten().tolist() == [101, 99]
    assert void.tolist() == [True, False, True]
    assert torch.equal(rounded[0], clean[0])


def test_small_perturbations_have_no_rounded_verdict() -> None:
    problem = two_classes()
    images = (problem.images * 255).round() / 255
    arguments = (problem.network, problem.network, images, problem.labels, problem.ids)
    small = run_trial(*arguments, FGSM(epsilon=0.4 / 255)).rows
    large = run_trial(*arguments, FGSM(epsilon=3 / 255)).rows
    assert np.ma.getmaskarray(small["rank_rounded"]).all()
    assert not np.ma.getmaskarray(large["rank_rounded"]).any()
    assert large["rank_rounded"].tolist() == large["rank"].tolist()  # a whole number of levels survives rounding


def test_transfer_is_judged_on_the_target() -> None:
    source, target = two_classes(seed=0), two_classes(seed=9)
    rows = run_trial(
        target.network,
        source.network,
        source.images,
        source.labels,
        source.ids,
        FGSM(epsilon=0.05),
        white_box=False,
        keep_images=True,
    )
    with torch.no_grad():
        logits = target.network(rows.adversarials[0])
    assert rows.rows["prediction"].tolist() == logits.argmax(1).tolist()


class Probabilities(nn.Module):
    def forward(self, images):
        return images.flatten(1)[:, :4].softmax(1)


BAD = {
    "probabilities": (Probabilities(), {}, ModelError, "returns probabilities"),
    "outside the box": (None, {"images": lambda i: i * 255}, DataError, r"values in \[0, 1\], found .* to 1[0-9]+"),
    "NaN image": (None, {"images": lambda i: i * float("nan")}, DataError, r"values in \[0, 1\], found nan"),
    "one image": (None, {"images": lambda i: i[0]}, DataError, r"expected shape \(N, C, H, W\), not \(3, 4, 4\)"),
    "bytes": (None, {"images": lambda i: (i * 255).byte()}, DataError, "divide bytes by 255"),
    "labels out of range": (None, {"labels": lambda y: y + 5}, DataError, "expected 0 to 1, found 6"),
    "negative label": (None, {"labels": lambda y: y - 3}, DataError, "expected 0 or more, found -3"),
    "too few labels": (None, {"labels": lambda y: y[:3]}, DataError, r"shape \(40,\).*not \(3,\)"),
    "float labels": (None, {"labels": lambda y: y.float()}, DataError, "whole numbers"),
    "no images": (None, {"images": lambda i: i[:0], "labels": lambda y: y[:0]}, DataError, "there are none"),
    "target is the label": (None, {"targets": lambda y: y}, DataError, "40 of 40 equal their label"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_gets_one_clear_error(case: str) -> None:
    network, changes, error, message = BAD[case]
    problem = two_classes()
    images = changes.get("images", lambda i: i)(problem.images)
    labels = changes.get("labels", lambda y: y)(problem.labels)
    targets = changes["targets"](labels) if "targets" in changes else None
    with pytest.raises(error, match=message):
        brinell.attack(network or problem.network, images, labels, FGSM(epsilon=0.1), targets=targets)


def test_a_gradient_attack_needs_a_module() -> None:
    problem = two_classes()
    with pytest.raises(UnsupportedError, match="fgsm needs gradients"):
        brinell.attack(lambda images: problem.network(images), problem.images, problem.labels, FGSM(epsilon=0.1))


def test_traces_are_refused_where_there_are_none() -> None:
    problem = two_classes()
    with pytest.raises(ConfigurationError, match="fgsm has no steps to trace"):
        brinell.attack(problem.network, problem.images, problem.labels, FGSM(epsilon=0.1), trace_every=1)


def test_accuracy_at_chance_warns_about_normalisation() -> None:
    problem = two_classes(60)
    labels = problem.labels.clone()
    labels[::2] = 1 - labels[::2]
    with pytest.warns(BrinellWarning, match="normalised images"):
        brinell.attack(problem.network, problem.images, labels, FGSM(epsilon=0.0))


def test_outcome_agrees_with_the_network_itself() -> None:
    problem = two_classes()
    outcome = brinell.attack(problem.network, problem.images, problem.labels, PGD(epsilon=0.01))
    with torch.no_grad():
        logits = problem.network(outcome.adversarials)
    wrong = logits.argmax(1) != problem.labels
    assert outcome.success.tolist() == wrong.tolist()
    assert outcome.robust_accuracy == pytest.approx(1 - wrong.double().mean().item())
    assert outcome.clean_accuracy == 1.0
    assert outcome.attack_success_rate == pytest.approx(wrong.double().mean().item())


def test_a_network_that_draws_numbers_gives_the_same_rows_twice() -> None:
    class Noisy(nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def forward(self, images):
            return self.inner(images + 0.02 * torch.randn_like(images))

    problem = two_classes()
    network = Noisy(problem.network)
    rows = [
        run_trial(network, network, problem.images, problem.labels, problem.ids, PGD(epsilon=0.01), seed=1).rows
        for _ in range(2)
    ]
    assert rows[0]["margin"].tolist() == rows[1]["margin"].tolist()
    clean = clean_predictions(network, problem.images, problem.labels, problem.ids, seed=1)
    assert (
        clean["margin"].tolist()
        == clean_predictions(network, problem.images, problem.labels, problem.ids, seed=1)["margin"].tolist()
    )

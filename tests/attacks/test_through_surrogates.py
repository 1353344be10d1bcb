"""Binary networks through every surrogate: the worst of each example, shared passes, and who does so by default."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import brinell
from attacks.small import Small
from brinell.attacks import BIM, FGSM, FMN, PGD, Square
from brinell.core import ConfigurationError, Point, UnsupportedError
from brinell.models import build
from brinell.nn import SURROGATES
from brinell.variants import BinaryLayers, EverySurrogate, Step, Variant


@pytest.fixture(scope="module")
def variant() -> Variant:
    """A ResNet-8 with random weights and two binary layers."""
    torch.manual_seed(0)
    network = build("resnet8", in_channels=3, mean=(0.5,) * 3, std=(0.25,) * 3, classes=4)
    base = Variant.of(network.eval(), input_shape=(3, 8, 8), classes=4)
    change, module = BinaryLayers(layers=("model.layer2.0.conv1", "model.layer3.0.conv2")), base.trainable()
    change.apply(module, latent=True)
    return base.child(module, Step("test", {}, 0, {}), structure=(change,))


@pytest.fixture(scope="module")
def problem(variant: Variant) -> Small:
    images = torch.rand(24, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    return Small(variant.deployed(), images, variant(images).argmax(1), torch.arange(24))


def rows(variant: Variant, problem: Small, attack, view: str | None = None, **options):
    return Small(variant.view(view), *problem[1:]).rows(attack, **options)


def test_breaks_what_any_surrogate_breaks(variant: Variant, problem: Small) -> None:
    attack = PGD(epsilon=0.12, steps=4)
    whole = rows(variant, problem, attack, "all")
    first = rows(variant, problem, attack, "surrogate:polynomial")
    fell = whole["rank"] > 0
    assert (fell >= (first["rank"] > 0)).all()
    assert fell.sum() > (first["rank"] > 0).sum()
    assert (whole["restart"][first["rank"] > 0] == 0).all()
    # Five surrogates, two losses, four steps; the last iterate of each run is looked at once.
    assert set(whole["forwards"][~fell].tolist()) == {10 * (4 + 1)}
    assert set(whole["backwards"][~fell].tolist()) == {10 * 4}
    assert whole["forwards"][fell].max() < 10 * (4 + 1) + 1


def test_reads_radii_and_steps_in_one_call(variant: Variant, problem: Small) -> None:
    points = [Point(epsilon, steps) for epsilon in (0.05, 0.12) for steps in (2, 5)]
    attack = PGD(epsilon=0.05)
    together = rows(variant, problem, attack, "all", points=points)
    for place, point in enumerate(points):
        alone = rows(variant, problem, attack.at(point), "all")
        part = slice(24 * place, 24 * place + 24)
        for name in ("prediction", "rank", "restart", "forwards", "backwards"):
            assert together[name][part].tolist() == alone[name].tolist(), (point, name)


def test_without_a_radius_the_nearest_is_kept(variant: Variant, problem: Small) -> None:
    attack = FMN(steps=12)
    whole = rows(variant, problem, attack, "all")
    each = [rows(variant, problem, attack, f"surrogate:{name}") for name in SURROGATES]
    found = [np.where(one["rank"] > 0, one["l2"], np.inf) for one in each]
    np.testing.assert_allclose(np.where(whole["rank"] > 0, whole["l2"], np.inf), np.min(found, axis=0), rtol=1e-5)
    assert set(whole["forwards"].tolist()) == {5 * (12 + 1)}


def test_pgd_goes_through_all_by_default(variant: Variant, problem: Small) -> None:
    images, labels = problem.images, problem.labels
    by_default = brinell.attack(variant, images, labels, PGD(epsilon=0.12, steps=4))
    through_all = brinell.attack(variant, images, labels, PGD(epsilon=0.12, steps=4), view="all")
    natural = brinell.attack(variant, images, labels, PGD(epsilon=0.12, steps=4), view="natural")
    assert torch.equal(by_default.adversarials, through_all.adversarials)
    assert by_default.forwards.sum() > natural.forwards.sum()
    single = brinell.attack(variant, images, labels, FGSM(epsilon=0.015))
    assert set(single.forwards.tolist()) == {1}
    traced = brinell.attack(variant, images, labels, PGD(epsilon=0.12, steps=4), trace_every=1)
    assert traced.traces is not None
    assert {BIM.every_surrogate, PGD.every_surrogate} == {True}


def test_scores_need_no_surrogate(variant: Variant, problem: Small) -> None:
    found = rows(variant, problem, Square(epsilon=0.2, steps=20), "all")
    plain = rows(variant, problem, Square(epsilon=0.2, steps=20))
    assert found["rank"].tolist() == plain["rank"].tolist()
    assert found["queries"].tolist() == plain["queries"].tolist()


def test_a_trace_follows_one_gradient(variant: Variant, problem: Small) -> None:
    with pytest.raises(ConfigurationError, match="trace_every: a trace follows one gradient"):
        rows(variant, problem, PGD(epsilon=0.01), "all", trace_every=1)


def test_a_float_network_has_one_gradient() -> None:
    variant = Variant.of(build("resnet8").eval(), input_shape=(1, 8, 8), classes=10)
    with pytest.raises(UnsupportedError, match="only binary networks have surrogate gradients"):
        variant.view("all")
    assert not isinstance(variant.view("natural"), EverySurrogate)

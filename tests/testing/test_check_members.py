"""The public contract tests: members of the project pass, and each mistake is reported by the rule that it breaks."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from brinell.attacks import FGSM, Attack, Batch, Crafted
from brinell.attacks.components.projection import clip_to_ball
from brinell.attacks.harness.oracle import Oracle
from brinell.compressors import Compressor
from brinell.core import ConfigurationError, Fraction, Point
from brinell.data import Dataset
from brinell.nn import Norm
from brinell.testing import BrokenRuleError, check_attack, check_compressor, digits_variant
from brinell.variants import Step, Variant


def crafted(images: Tensor, points: Sequence[Point]) -> Crafted:
    ones = torch.ones((len(points), images.shape[1]), dtype=torch.int32)
    return Crafted(images, -ones, 0 * ones, ones, ones)


class OwnFGSM(Attack):
    """FGSM as somebody else would write it; `MISTAKES` are subclasses in spirit."""

    kind = "own_fgsm"
    sweepable = frozenset({"epsilon"})
    epsilon: Fraction
    norm: Norm = "linf"

    @property
    def point(self) -> Point:
        return Point(self.epsilon, 1)

    def clip(self, candidates: Tensor, clean: Tensor, epsilon: float | None) -> Tensor:
        return clip_to_ball(candidates, clean, epsilon, self.norm)

    def craft(
        self, oracle: Oracle, batch: Batch, points: Sequence[Point], *, seed: int, trace_every: int | None
    ) -> Crafted:
        return FGSM(epsilon=self.epsilon, norm=self.norm).craft(
            oracle, batch, points, seed=seed, trace_every=trace_every
        )


class DoesNothing(OwnFGSM):
    """Returns the clean images and claims success."""

    kind = "does_nothing"

    def craft(self, oracle: Oracle, batch: Batch, points: Sequence[Point], **options: Any) -> Crafted:
        return crafted(torch.stack([batch.images] * len(points)), points)


class LeavesTheBall(OwnFGSM):
    """Clips to twice the ball."""

    kind = "leaves_the_ball"

    def clip(self, candidates: Tensor, clean: Tensor, epsilon: float | None) -> Tensor:
        return clip_to_ball(candidates, clean, None if epsilon is None else 2 * epsilon, self.norm)

    def craft(self, oracle: Oracle, batch: Batch, points: Sequence[Point], **options: Any) -> Crafted:
        doubled = [Point(2 * (point.epsilon or 0), 1) for point in points]
        return super().craft(oracle, batch, doubled, **options)


class UsesGlobalNoise(OwnFGSM):
    """Draws from the global generator."""

    kind = "uses_global_noise"

    def craft(self, oracle: Oracle, batch: Batch, points: Sequence[Point], **options: Any) -> Crafted:
        noise = torch.rand_like(batch.images) * 2 - 1
        return crafted(torch.stack([batch.images + noise * (point.epsilon or 0) for point in points]), points)


class DependsOnTheBatch(OwnFGSM):
    """Moves every image towards the batch's mean."""

    kind = "depends_on_the_batch"

    def craft(self, oracle: Oracle, batch: Batch, points: Sequence[Point], **options: Any) -> Crafted:
        direction = (batch.images.mean(0, keepdim=True) - batch.images).sign()
        return crafted(torch.stack([batch.images + direction * (point.epsilon or 0) for point in points]), points)


def test_an_attack_that_keeps_the_rules_passes() -> None:
    check_attack(OwnFGSM)
    check_attack(OwnFGSM(epsilon=0.02, norm="l2"))


@pytest.mark.parametrize(
    ("attack", "rule"),
    [
        (DoesNothing, "breaks_what_is_easy"),
        (DoesNothing, "breaks_exactly_what_lies_in_the_ball"),
        (DoesNothing, "larger_epsilon_breaks_no_fewer"),
        (LeavesTheBall, "stays_in_ball_and_box"),
        (UsesGlobalNoise, "batches_and_order_do_not_matter"),
        (DependsOnTheBatch, "batches_and_order_do_not_matter"),
    ],
)
def test_the_rule_that_an_attack_breaks_is_named(attack: type[Attack], rule: str) -> None:
    with pytest.raises(BrokenRuleError, match=rf"{attack.__name__} \({attack.kind}\) breaks \d+ of \d+") as caught:
        check_attack(attack)
    assert rule in caught.value.rules
    assert f"\n  {rule} (" in str(caught.value)


class Coarse(Compressor):
    """Weights rounded to a grid."""

    kind = "coarse"

    def _compress(self, variant: Variant, data: Dataset, *, seed: int, progress: Any, **options: Any) -> Variant:
        module = variant.trainable()
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.copy_((parameter * 256).round() / 256)
        progress(self.kind, 1, 1)
        return variant.child(module, Step(self.kind, self.config(), seed, {"levels": 256}))


class CompressesNothing(Coarse):
    """Returns its parent's weights."""

    kind = "compresses_nothing"

    def _compress(self, variant: Variant, data: Dataset, *, seed: int, progress: Any, **options: Any) -> Variant:
        progress(self.kind, 1, 1)
        return variant.child(variant.trainable(), Step(self.kind, self.config(), seed, {"levels": 256}))


class ChangesItsParent(Coarse):
    """Rounds the parent's tensors in place."""

    kind = "changes_its_parent"

    def _compress(self, variant: Variant, data: Dataset, **options: Any) -> Variant:
        made = super()._compress(variant, data, **options)
        for tensor in variant.tensors.values():
            if tensor.is_floating_point():
                tensor.add_(1e-3)
        return made


class UsesGlobalRandomness(Coarse):
    """Adds noise of the global generator."""

    kind = "uses_global_randomness"

    def _compress(self, variant: Variant, data: Dataset, *, seed: int, progress: Any, **options: Any) -> Variant:
        module = variant.trainable()
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.add_(1e-3 * torch.rand_like(parameter))
        progress(self.kind, 1, 1)
        return variant.child(module, Step(self.kind, self.config(), seed, {"noise": 1e-3}))


class FallsInProgress(Coarse):
    """Reports less than before."""

    kind = "falls_in_progress"

    def _compress(self, variant: Variant, data: Dataset, *, progress: Any, **options: Any) -> Variant:
        progress(self.kind, 2, 3)
        return super()._compress(variant, data, progress=lambda label, *_: progress(label, 1, 3), **options)


@pytest.fixture(scope="module")
def problem() -> tuple[Variant, Dataset]:
    return digits_variant()


def test_a_compressor_that_keeps_the_rules_passes(problem: tuple[Variant, Dataset]) -> None:
    check_compressor(Coarse(), *problem)


@pytest.mark.parametrize(
    ("compressor", "rule"),
    [
        (CompressesNothing, "parent_stays_and_child_has_a_step"),
        (ChangesItsParent, "parent_stays_and_child_has_a_step"),
        (UsesGlobalRandomness, "seed_alone_decides"),
        (FallsInProgress, "progress_rises_to_its_total"),
    ],
)
def test_the_rule_that_a_compressor_breaks_is_named(
    compressor: type[Compressor], rule: str, problem: tuple[Variant, Dataset]
) -> None:
    parent, data = problem
    with pytest.raises(BrokenRuleError, match=rf"{compressor.kind}\) breaks \d+ of \d+ rules") as caught:
        check_compressor(compressor, parent.child(parent.trainable(), Step("copy", {}, 0, {})), data)
    assert rule in caught.value.rules


class NeedsASetting(OwnFGSM):
    """Cannot be made without `size`."""

    kind = "needs_a_setting"
    size: int


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: check_attack(NeedsASetting), r"required settings \(size\); give a value, such as NeedsASetting"),
        (lambda: check_attack(3), "expected attack settings or a class of them, not 3"),  # type: ignore[arg-type]
        (lambda: check_compressor(FGSM), "expected compressor settings or a class"),  # type: ignore[arg-type]
        (lambda: check_compressor(Coarse, data=digits_variant()[1]), "give both parent and data, or neither"),
    ],
)
def test_what_cannot_be_checked_is_one_clear_error(call: Callable[[], None], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        call()


def test_the_package_needs_no_pytest() -> None:
    code = "import sys; sys.modules['pytest'] = None; import brinell.testing; brinell.testing.check_attack"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

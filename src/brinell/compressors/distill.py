"""Knowledge distillation: a student learns the softened answers of a teacher (Hinton 2015; KD-KL in BreakingBED)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

import torch
from pydantic import BeforeValidator, Field, model_validator
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from brinell.compressors.compressor import Compressor
from brinell.compressors.training_stages import stages
from brinell.core import (
    ConfigurationError,
    Fraction,
    ModelError,
    OmitDefaultFromKey,
    Progress,
    derive_seed,
)
from brinell.data import Dataset
from brinell.models import MODELS, Architecture, load_weights
from brinell.nn import copy_module, freeze, has_frozen_statistics
from brinell.training import Distillation, Loss, Train
from brinell.variants import Step, Variant


class Distill(Compressor):
    """Train a student on the Kullback-Leibler divergence from the teacher's softmax at `temperature`.

    The variant given to `compress` is the teacher, in evaluation mode and in float32, and sees the same augmented
    images; with `train.adversarial` the student learns what it should have answered to the clean ones
    (`teacher_input`; Goldblum 2020), or what it does answer to the adversarial ones. The loss is `(1 -
    hard_label_weight) * KL + hard_label_weight * cross entropy`; with `temperature_squared` (Hinton 2015, section 2)
    KL is multiplied by the temperature's square, without which its gradient falls with that square (a factor of 900
    at 30) and `learning_rate` would have to make up for it. BreakingBED does not say which it used. The student
    answers at temperature 1.

    Examples:
        >>> import brinell
        >>> brinell.compressors.Distill(student={"kind": "resnet8"}).temperature
        30.0
    """

    kind = "distill"
    has_teacher: ClassVar[bool] = True

    student: Annotated[Architecture | None, BeforeValidator(MODELS.read)] = None
    """`None`: the teacher's own architecture, without what earlier compressors changed in it."""
    initialize: Literal["random", "teacher"] = "random"
    """Where the student starts from; `teacher` needs the same architecture and keeps its binary layers."""
    student_weights: Annotated[Path | None, OmitDefaultFromKey()] = None
    """A checkpoint (as `models.load_weights` reads) that the student starts from instead; needs `student`."""
    temperature: Fraction = Field(30.0, gt=0)
    """Temperature that softens the logits of both networks."""
    temperature_squared: bool = True
    """Multiply the divergence by the squared temperature."""
    hard_label_weight: Fraction = Field(0.0, ge=0, le=1)
    """Weight of the cross-entropy to the labels, in [0, 1]; the rest is the divergence."""
    teacher_input: Annotated[Literal["clean", "adversarial"], OmitDefaultFromKey()] = "clean"
    """What the teacher is shown where `train.adversarial` changes the student's images: as they were, or changed."""
    train: Train = Train(epochs=30, batch_size=128, learning_rate=0.1, schedule="one_cycle")
    """Training settings; a mapping changes these defaults."""

    @model_validator(mode="after")
    def _adversarial_input_needs_an_adversary(self) -> Self:
        if self.teacher_input == "adversarial" and self.train.adversarial is None:
            raise ValueError("teacher_input 'adversarial' needs train.adversarial, which makes those images")
        return self

    @model_validator(mode="after")
    def _one_teacher(self) -> Self:
        if self.train.distillation is not None:
            raise ValueError(
                "train.distillation is for other compressors; this one's own settings say how it is taught"
            )
        return self

    @model_validator(mode="after")
    def _weights_need_a_student(self) -> Self:
        if self.student_weights is not None and (self.student is None or self.initialize == "teacher"):
            raise ValueError("student_weights needs a named student, and initialize 'random'")
        return self

    @property
    def epochs(self) -> int:
        """Of its one training."""
        return self.train.epochs

    def architecture_from(self, parent: Architecture | None) -> Architecture | None:
        """The student's, once its weights are known to fit it."""
        if self.student is not None and self.student_weights is not None:
            self._start(self.student, 0)
        return self.student or parent

    def view_from(self, parent: str) -> str:
        """A student that starts afresh has no binary layers."""
        return parent if self.initialize == "teacher" else "exact"

    def check(self, variant: Variant) -> None:
        """The student suits the teacher."""
        self._student(variant, 0)

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
        """The trained student; its lineage goes on from the teacher's."""
        start, module = self._student(variant, seed)
        run = stages(
            self, variant, data, self.train, seed=seed, device=device, checkpoint=checkpoint, progress=progress
        )
        teacher = variant.deployed("reference").to(run.device)
        run.fit(1, module, loss=self._loss(teacher))
        figures = {
            "teacher_parameters": _parameters(teacher),
            "student_parameters": _parameters(module),
        }
        return start.child(module, Step(self.kind, self.config(), seed, figures))

    def _student(self, teacher: Variant, seed: int) -> tuple[Variant, nn.Module]:
        """What the student's variant is made from, and its module in training."""
        other = self.student is not None and self.student != teacher.architecture
        if self.initialize == "teacher":
            if other:
                raise ConfigurationError("initialize: 'teacher' needs a student of the teacher's own architecture")
            return teacher, teacher.trainable()
        bare = replace(teacher, structure=(), latent=None, frozen=() if other else teacher.frozen)
        architecture = self.student or teacher.architecture
        if architecture is None:
            return bare, _with_frozen(_fresh(teacher, seed), bare)
        if architecture.classes != teacher.classes:
            raise ModelError(f"student: it has {architecture.classes} classes; the teacher has {teacher.classes}")
        if architecture.in_channels != teacher.input_shape[0]:
            raise ModelError(
                f"student: it takes {architecture.in_channels} channels; the teacher takes {teacher.input_shape[0]}"
            )
        start = replace(bare, architecture=architecture, skeleton=None)
        return start, _with_frozen(self._start(architecture, seed), start)

    def _start(self, architecture: Architecture, seed: int) -> nn.Module:
        module = architecture.module(derive_seed(seed, "student"))
        if self.student_weights is not None:
            try:
                load_weights(module, self.student_weights)
            except ModelError as error:
                raise ModelError(f"student_{error}") from None
        return module

    def _loss(self, teacher: nn.Module) -> Loss:
        rule = Distillation(
            temperature=self.temperature,
            temperature_squared=self.temperature_squared,
            hard_label_weight=self.hard_label_weight,
        )
        return rule.loss(teacher, label_smoothing=self.train.label_smoothing, clean=self.teacher_input == "clean")


def _fresh(teacher: Variant, seed: int) -> nn.Module:
    """A user's own module with new weights, by the `reset_parameters` of its layers."""
    if teacher.skeleton is None or teacher.structure:
        raise ConfigurationError("initialize: this network cannot be made anew; use 'teacher', or name a student")
    module = copy_module(teacher.skeleton)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "student"))
        for name, layer in module.named_modules():
            reset = getattr(layer, "reset_parameters", None)
            if callable(reset):
                reset()
            elif list(layer.parameters(recurse=False)):
                raise ConfigurationError(
                    f"initialize: {name or 'the module'} ({type(layer).__name__}) has parameters and no "
                    "reset_parameters(); use 'teacher', or name a student"
                )
    return module.requires_grad_(True)


def _with_frozen(module: nn.Module, variant: Variant) -> nn.Module:
    """`module` with what is frozen in `variant` as it is there, parameters and statistics, and frozen again."""
    freeze(module, variant.frozen)
    norms = {
        name for name, layer in module.named_modules() if isinstance(layer, _BatchNorm) and has_frozen_statistics(layer)
    }
    state = module.state_dict()
    for name, tensor in variant.tensors.items():
        if (name in variant.frozen or name.rpartition(".")[0] in norms) and name in state:
            state[name] = tensor
    module.load_state_dict(state)
    return module


def _parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())

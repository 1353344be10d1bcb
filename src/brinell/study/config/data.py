"""`data`: where images come from, and which of them do what."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from brinell.core import validation_error, validation_problem
from brinell.data import DATASETS, Source
from brinell.study.config.section import INLINE, Count, Section, optional_field


class TrainSplit(Section):
    """What variants learn from; `holdout` examples of it are kept back for choices and for training's curves.

    With `examples` it is the first so many of an order that only `seed` decides.
    """

    split: str = "train"
    holdout: int = Field(0, ge=0)
    examples: Count | None = optional_field()
    seed: int = optional_field(0, ge=0, lt=2**63)


class TestSplit(Section):
    """What variants are judged on: the first `examples` (all by default) of an order that only `seed` decides."""

    split: str = "test"
    examples: Count | None = None
    seed: int = Field(0, ge=0, lt=2**63)


class Data(Section):
    """A data set, and its splits."""

    source: Annotated[Source, DATASETS] = Field(alias=INLINE)
    train: TrainSplit = TrainSplit()
    test: TestSplit = TestSplit()

    @field_validator("test")
    @classmethod
    def _judged_on_other_images(cls, test: TestSplit, info: ValidationInfo) -> TestSplit:
        train = info.data.get("train")
        if train is not None and train.split == test.split:
            message = f"{test.split!r} is what variants are trained on; judging needs images they never saw"
            raise validation_error([validation_problem(message, "split")])
        return test

"""`models` and `variants`: networks, and how each variant is made of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    AfterValidator,
    Field,
    PlainValidator,
    SerializeAsAny,
    ValidationInfo,
    field_validator,
    model_validator,
)

from brinell.compressors import COMPRESSORS, Compressor
from brinell.container import STUDY_NETWORKS
from brinell.core import validation_error, validation_problem
from brinell.models import Architecture, NetworkSource
from brinell.study.config.section import INLINE, ModelName, Section, VariantName, optional_field, required_field
from brinell.training import Train


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise validation_error([validation_problem(f"no file at {path}")])
    return path


class Model(Section):
    """A built-in architecture or a network from elsewhere, and a file of weights where it starts from one."""

    network: Annotated[Architecture | NetworkSource, STUDY_NETWORKS] = Field(alias=INLINE)
    weights: Annotated[Path, AfterValidator(_existing)] | None = None

    @model_validator(mode="after")
    def _weights_have_a_place(self) -> Self:
        if self.weights is not None and self.source is not None and "weights" not in type(self.source).model_fields:
            raise validation_error(
                [validation_problem(f"kind {self.source.kind}: the file holds its weights; leave this out", "weights")]
            )
        return self

    @property
    def architecture(self) -> Architecture:
        """The architecture of a network that is built in."""
        if isinstance(self.network, NetworkSource):
            raise TypeError(f"a network of kind {self.network.kind} has no architecture until it is loaded")
        return self.network

    @property
    def source(self) -> NetworkSource | None:
        """Where a network comes from that is not built in, with its weights."""
        if not isinstance(self.network, NetworkSource):
            return None
        given = {} if self.weights is None else {"weights": self.weights}
        return self.network.model_copy(update=given)


class ModelVariant(Section):
    """A model as it is, or trained."""

    misplaced: ClassVar = {"compress": "only a variant is compressed; make one of the model first"}

    model: ModelName
    train: Train | None = None
    baseline: VariantName | None = optional_field()
    """Whom it is compared with; `None`: itself."""

    @field_validator("train")
    @classmethod
    def _without_teacher(cls, train: Train | None) -> Train | None:
        if train is not None and train.distillation is not None:
            raise validation_error(
                [validation_problem("a model has no teacher; only a compressor's training", "distillation")]
            )
        return train

    def holding_out(self, examples: int) -> Self:
        """Its training keeps back so many examples, unless it says itself how many."""
        return self if self.train is None else self.model_copy(update={"train": _holding_out(self.train, examples)})


class CompressedVariant(Section):
    """Another variant, compressed."""

    misplaced: ClassVar = {"train": "a compressor trains by its own settings: {here}.compress.train"}

    parent: VariantName = Field(alias="from")
    compressor: Annotated[Compressor, COMPRESSORS] = required_field(alias="compress")
    baseline: VariantName | None = optional_field()
    """Whom it is compared with; `None`: whom its parent is."""

    def holding_out(self, examples: int) -> Self:
        """Its training keeps back so many examples, unless it says itself how many."""
        train = getattr(self.compressor, "train", None)
        if train is None:
            return self
        compressor = self.compressor.model_copy(update={"train": _holding_out(train, examples)})
        return self.model_copy(update={"compressor": compressor})


def _holding_out(train: Train, examples: int) -> Train:
    return train if "holdout" in train.model_fields_set else train.model_copy(update={"holdout": examples})


def _read_variant(value: Any, info: ValidationInfo) -> ModelVariant | CompressedVariant:
    """`model` or `from` decides which of the two it is."""
    if isinstance(value, (ModelVariant, CompressedVariant)):
        return value
    if not isinstance(value, Mapping) or ("model" in value) == ("from" in value):
        raise validation_error(
            [validation_problem(f"expected either {{model, train}} or {{from, compress}}, not {value}")]
        )
    kind = ModelVariant if "model" in value else CompressedVariant
    return kind.model_validate(value, context=info.context)


VariantEntry = Annotated[SerializeAsAny[ModelVariant | CompressedVariant], PlainValidator(_read_variant)]

"""The sections of a study's file: pydantic models, named and checked as they are in YAML."""

from brinell.study.config.attacks import AttackEntry, SweptAttack, TransferEntry
from brinell.study.config.data import Data, TestSplit, TrainSplit
from brinell.study.config.paper import Paper
from brinell.study.config.probes import ProbeEntry
from brinell.study.config.runtime import RuntimeKind
from brinell.study.config.section import DefinedNames, Section
from brinell.study.config.seeds import Seeds
from brinell.study.config.variants import CompressedVariant, Model, ModelVariant, VariantEntry

__all__ = [
    "AttackEntry",
    "CompressedVariant",
    "Data",
    "DefinedNames",
    "Model",
    "ModelVariant",
    "Paper",
    "ProbeEntry",
    "RuntimeKind",
    "Section",
    "Seeds",
    "SweptAttack",
    "TestSplit",
    "TrainSplit",
    "TransferEntry",
    "VariantEntry",
]

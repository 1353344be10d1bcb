"""Records that cross from computing to reporting: what a row, a trace and a plan hold."""

from __future__ import annotations

import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, NamedTuple, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from brinell.core.keys import BLOCK_PATTERN, KEY_PATTERN

ROW_SCHEMA: Final[dict[str, str]] = {
    "example_id": "int64",
    "label": "int32",
    "target": "int32?",
    "epsilon": "float64?",
    "steps": "int32",
    "clean_prediction": "int32",
    "clean_rank": "int32",
    "prediction": "int32",
    "rank": "int32",
    "target_rank": "int32?",
    "margin": "float32",
    "prediction_rounded": "int32?",
    "rank_rounded": "int32?",
    "l0": "int32",
    "l1": "float32?",
    "l2": "float32",
    "linf": "float32",
    "first_success_step": "int32?",
    "restart": "int32",
    "queries": "int32?",
    "forwards": "int32",
    "backwards": "int32",
    "zero_gradients": "int32?",
    "status": "string",
}
"""One row is one example at one reading, judged on one variant. `?` marks a column that may be null: unknown or not
applicable, never zero. `rank` is 0 when the label has the highest logit; ties count against the network. `margin` is
the label's logit less the best other one. `epsilon` is null for a minimum-norm attack. `prediction_rounded` is null
where 8-bit rounding is void (epsilon under 0.5/255)."""

TRACE_SCHEMA: Final[dict[str, str]] = {
    "restart": "int32",
    "step": "int32",
    "epsilon": "float64?",
    "count": "int64",
    "correct": "int64",
    "loss_sum": "float64",
    "loss_square_sum": "float64",
    "zero_gradients": "int64",
}
"""One row is the *current* iterate of one block of examples at one step; sums add up over blocks."""


ZERO_GRADIENT_SHARE: Final = 0.05
"""Share of exactly zero input gradients above which they are a sign of masking."""


_TURNING: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that turn the text around them: a name could show as another one."""


REMARKS: Final = "remarks"
"""Where `environment.json` keeps, by key of a variant, what in a study is probably not meant."""


def printable(text: str) -> str:
    """`text` with a mark for every character that cannot be printed, or that would turn the text around it."""
    return "".join("\ufffd" if letter in _TURNING or not _shown(letter) else letter for letter in text)


def _shown(letter: str) -> bool:
    """Blanks of every width, and joiners inside words and emoji, belong to names; controls and surrogates do not."""
    return letter.isprintable() or unicodedata.category(letter) in ("Zs", "Cf")


Name = Annotated[str, AfterValidator(printable)]
"""A name in a plan, which may come from a stranger: pages, pictures and terminals have to survive it."""

Key = Annotated[str, Field(pattern=f"^{KEY_PATTERN}$")]
"""A key in a plan; it names a file or folder of the run."""

Seed = Annotated[int, Field(ge=-(2**63), lt=2**63)]
"""An integer of 64 bits with a sign, which is what every generator takes and every table holds."""


class Point(NamedTuple):
    """What a reading is read at: a radius in [0, 1] input units (`None`: minimum-norm) and a number of steps."""

    epsilon: float | None
    steps: int


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Block(_Record):
    """A slice of the test examples: what one task computes and one file holds."""

    name: Annotated[str, Field(pattern=f"^{BLOCK_PATTERN}$")]
    """File stem, from the block's index, length and example ids."""
    start: int
    stop: int


class PlannedVariant(_Record):
    """A variant as the plan names it; its folder is `variants/<key>`."""

    name: Name
    key: Key
    seed: Seed
    parent: Key | None
    """Key of the variant it was made from; `None` for one made from an architecture."""
    baseline: Key
    """Key of the variant it is compared with (its own key, if that is itself): the root of its lineage, unless the
    study names another."""
    family: str
    """`model`, `train`, or the compressor's kind."""
    architecture: str
    settings: dict[str, Any]


class PlannedTrial(_Record):
    """One execution of one attack on one variant with one seed; its rows are `trials/<key>/<block>.parquet`.

    The clean predictions of a variant are the trial whose `kind` is `clean`.
    """

    key: Key
    attack: Name
    """The attack's name in the study."""
    kind: str
    spec: dict[str, Any]
    norm: str | None = None
    """The norm that the attack is bounded in, or minimises; `None` in plans made before it was kept."""
    judged_on: Key
    """Key of the variant that was judged."""
    crafted_on: Key
    """Key of the variant that the adversarials were made on (the same one: white-box)."""
    seed: Seed
    view: str
    runtime: str
    random: bool
    points: tuple[Point, ...]
    paper_axis: tuple[Literal["epsilon", "steps"], float] | None = None
    """What the attack's paper sweeps, and the value at which it holds the other quantity; `None` where it sweeps
    nothing, and in plans made before it was kept."""
    trace_every: int | None = None
    blocks: tuple[Block, ...]
    """In ascending order; they do not overlap."""

    def overlapping(self, block: Block) -> tuple[Block, ...]:
        """Those of its blocks that share examples with `block`."""
        first = bisect_right(self.blocks, block.start, key=lambda own: own.stop)
        return self.blocks[first : bisect_left(self.blocks, block.stop, key=lambda own: own.start)]


class PlannedProbe(_Record):
    """One question to one variant; its answer is `probes/<key>.json`, with `arrays/<key>.npz` where it has pictures."""

    key: Key
    kind: str
    """A kind of `brinell.probes.PROBES`."""
    variant: Key
    """Key of the variant that is asked."""
    spec: dict[str, Any]
    seed: Seed


class PlannedPaper(_Record):
    """The paper that a study reproduces, and which variant stands for which printed row."""

    kind: str
    rows: dict[str, Name]
    """Printed row by the variant's name."""


class TriedVariant(_Record):
    """A network that a search made."""

    family: str
    variant: Key
    numbers: dict[str, Any]
    """The searched numbers by their place."""
    screen: str | None = None
    """Name of the attack that it was screened with; `None` where no condition is on attacked networks."""
    confirmed: bool = False
    """Whether it was judged in full as well: by all attacks, on all examples."""


class PlannedLimit(_Record):
    """A search for the cheapest network of each family that keeps conditions, and what it made so far."""

    name: Name
    parent: Key
    """Key of the network that the search begins from."""
    goals: tuple[str, ...]
    """One or two costs that are minimised, as `core.goals` reads them."""
    keep: tuple[str, ...]
    budget: int | None = None
    """Number of networks; `None`: as many as the hours allow."""
    hours: float | None = None
    seconds: float | None = None
    """Time that the search has taken so far, where hours limit it."""
    tried: tuple[TriedVariant, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _with_one_metric(cls, value: Any) -> Any:
        """Plans of earlier versions name a metric."""
        if isinstance(value, Mapping) and "goals" not in value and "metric" in value:
            return {**value, "goals": (str(value["metric"]).replace("encoded_bytes", "bytes"),)}
        return value


class StudyPlan(_Record):
    """Everything a study will compute, resolved: what `study.json` holds and what a report starts from."""

    name: Name
    classes: int
    class_names: tuple[Name, ...]
    dataset: Name
    fingerprint: str
    examples: int
    config: dict[str, Any]
    variants: tuple[PlannedVariant, ...]
    trials: tuple[PlannedTrial, ...]
    probes: tuple[PlannedProbe, ...] = ()
    paper: PlannedPaper | None = None
    requirements: tuple[str, ...] = ()
    """Conditions that the variants must meet, as they were written."""
    limits: tuple[PlannedLimit, ...] = ()

    @model_validator(mode="after")
    def _check_variants(self) -> Self:
        """Every variant that is judged, crafted on, asked or compared with is in the plan, once."""
        known = {variant.key for variant in self.variants}
        if len(known) < len(self.variants):
            raise ValueError("variants: two have the same key")
        named = [
            *((f"variants.{at}.baseline", variant.baseline) for at, variant in enumerate(self.variants)),
            *((f"trials.{at}.judged_on", trial.judged_on) for at, trial in enumerate(self.trials)),
            *((f"trials.{at}.crafted_on", trial.crafted_on) for at, trial in enumerate(self.trials)),
            *((f"probes.{at}.variant", probe.variant) for at, probe in enumerate(self.probes)),
        ]
        for place, key in named:
            if key not in known:
                raise ValueError(f"{place}: no variant has the key {key}")
        return self

    def lineage(self, key: str) -> list[PlannedVariant]:
        """The variant of that key and those that it is made from, the first network first; a circle is left."""
        known = {variant.key: variant for variant in self.variants}
        line: list[PlannedVariant] = []
        at = known.get(key)
        while at is not None and at not in line:
            line.insert(0, at)
            at = None if at.parent is None else known.get(at.parent)
        return line

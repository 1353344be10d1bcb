"""A first study of a network: compressors and attacks that suit it, of sizes that fit the time. Text, with reasons."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

_SPARE: Final = 0.7
"""Of the time that is planned: reading, writing, encoding files and the report take the rest."""
_ATTACKS: Final = 0.5
"""Of the planned time that attacks may take."""
_PROBES: Final = 0.15
"""Of the planned time that the masking probe may take."""
_PROBED: Final = 100
_FEWEST_PROBED: Final = 10
"""Examples under which the probe says too little to be worth its time."""
_MOST_EPOCHS: Final = 8
_MOST_EXAMPLES: Final = 1000
_FEWEST_EXAMPLES: Final = 20
_PLAIN: Final = re.compile(r"(?!(?:true|false|null|yes|no|on|off)$)[A-Za-z][A-Za-z0-9_/-]*|[0-9.]+/[0-9]+")
_FEW: Final = 100
"""Examples under which a study says how coarse its figures are."""


@dataclass(frozen=True)
class Look:
    """What is known of a network and its images before a study of them is written."""

    accuracy: float
    examples: int
    """That `accuracy` was measured on."""
    layers: int
    macs: int
    parameters: int
    file_bytes: int
    seconds: float
    """Of one forward pass of one image, in batches."""
    epsilon: int
    """In 1/255: where FGSM leaves about half of the accuracy."""
    train_examples: int
    test_examples: int


@dataclass(frozen=True)
class Work:
    """Forward passes of a study, which grow with its epochs and its test examples."""

    epoch: float
    """Of each epoch on all images."""
    trainings: float
    """Of trainings whose epochs stay as they are."""
    example: float
    """Of each test example."""
    probe: float
    """Of each example that is probed."""


@dataclass(frozen=True)
class Sizes:
    """What fits the time."""

    epochs: int
    train_examples: int | None
    """`None` for all."""
    test_examples: int
    probe_examples: int = _PROBED
    """0 for no probe."""


def fit_sizes(look: Look, work: Work, hours: float) -> Sizes:
    """Epochs and examples whose passes take about so long: attacks get half of the time at most, training the rest."""
    passes = _SPARE * hours * 3600 / look.seconds
    probed = min(_PROBED, int(_PROBES * passes / work.probe)) if work.probe else _PROBED
    probed = probed if probed >= _FEWEST_PROBED else 0
    passes -= probed * work.probe
    examples = int(min(_MOST_EXAMPLES, look.test_examples, max(_ATTACKS * passes / work.example, 0)))
    examples = max(_round(examples), min(_FEWEST_EXAMPLES, look.test_examples))
    left = passes - examples * work.example
    epochs = int((left - work.trainings) / work.epoch)
    if epochs >= 1:
        return Sizes(min(epochs, _MOST_EPOCHS), None, examples, probed)
    part = _round(int(left / (work.epoch + work.trainings) * look.train_examples))
    return Sizes(1, min(max(part, 100), look.train_examples), examples, probed)


def sections(
    name: str, data: Mapping[str, Any], model: Mapping[str, Any], look: Look, sizes: Sizes, *, int8: bool
) -> dict[str, Any]:
    """The study as the mapping that its file holds."""
    train = {"epochs": sizes.epochs, "batch_size": 64}
    variants: dict[str, Any] = {"baseline": {"model": "network"}}
    if int8:
        variants["int8"] = {"from": "baseline", "compress": {"kind": "int8"}}
    variants["pruned"] = {"from": "baseline", "compress": {"kind": "prune", "budget": {"macs": 0.5}, "train": train}}
    few = {**train, "epochs": 1}
    inq = {"kind": "inq", "weight_bits": 5, "train": few}
    variants["bits-5"] = {"from": "baseline", "compress": inq}
    variants["pruned-bits-5"] = {"from": "pruned", "compress": inq}
    radii = [f"{look.epsilon * factor:g}/255" for factor in (0.5, 1, 2)]
    probed = {"epsilon": radii[1], "examples": min(sizes.probe_examples, sizes.test_examples)}
    split = {} if sizes.train_examples is None else {"train": {"examples": sizes.train_examples}}
    return {
        "name": name,
        "data": {**data, **split, "test": {"examples": sizes.test_examples}},
        "models": {"network": dict(model)},
        "variants": variants,
        "attacks": {
            "fgsm": {"kind": "fgsm", "sweep": {"epsilon": radii}},
            "pgd": {"kind": "pgd", "steps": 10, "sweep": {"epsilon": radii}},
        },
        "probes": {"masking": probed if sizes.probe_examples else False},
    }


_REASONS: Final = {
    "baseline": "as it is: what everything is compared with",
    "int8": "weights and activations of 8 bits; no training",
    "pruned": "half of the multiply-accumulates; fine-tuned. budget: {bytes: 60 kB} asks for a size",
    "bits-5": "powers of two of 5 bits: a third of the file or less",
    "pruned-bits-5": "both: the smallest file here",
}
"""What each variant of the draft is for."""


def write_draft(study: Mapping[str, Any], look: Look, hours: float, command: str) -> str:
    """The file, with the reason of each choice."""
    name, data, models, variants, attacks, probes = (
        study[key] for key in ("name", "data", "models", "variants", "attacks", "probes")
    )
    count = data["test"]["examples"]
    coarse = f"; on {count} images a point or two are noise" if count < _FEW else ""
    lines = [
        f"# A first study, written by `brinell init`. The network has {look.layers} layers, {look.parameters:,}",
        f"# parameters, {look.macs:,} multiply-accumulates an image and a file of {look.file_bytes:,} bytes.",
        f"# As it is, it classifies {look.accuracy:.1%} of {look.examples} images. A pass of one image took",
        f"# {1000 * look.seconds:.3g} ms on this machine, where the study is made to take about {hours:g} h.",
        "#",
        f"#   {command}",
        f"name: {name}",
        "",
        f"# {look.train_examples:,} images to train on, {look.test_examples:,} to test on{coarse}.",
        f"data: {_flow(data)}",
        "",
        "models:",
        f"  network: {_flow(models['network'])}",
        "",
        "variants:",
    ]
    for variant, entry in variants.items():
        lines += [f"  # {_REASONS[variant]}", f"  {variant}: {_flow(entry)}"]
    lines += [
        "",
        f"# Within {look.epsilon:g}/255 one step along the gradient leaves about half of the accuracy.",
        "attacks:",
        *(f"  {attack}: {_flow(entry)}" for attack, entry in attacks.items()),
        "",
        "# Whether a variant only hides its gradients, so that its robustness is apparent."
        if probes["masking"]
        else "# masking: {} shows whether a variant only hides its gradients; it takes more time than there is.",
        f"probes: {_flow(probes)}",
    ]
    return "\n".join(lines) + "\n"


def _round(count: int) -> int:
    """Two digits."""
    digits: int = 10 ** max(len(str(count)) - 2, 0)
    return count // digits * digits


def _flow(value: Any) -> str:
    """YAML on one line; JSON's strings are YAML's."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, (int, float)):
        return json.dumps(value)
    return str(value) if _PLAIN.fullmatch(str(value)) else json.dumps(str(value))

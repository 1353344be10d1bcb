"""`check_attack` and `check_compressor`: the project's contract tests for members of other packages."""

from __future__ import annotations

from typing import Any, TypeVar

from brinell.attacks import Attack
from brinell.compressors import Compressor
from brinell.core import ConfigurationError, Spec
from brinell.data import Dataset
from brinell.testing.attack_rules import ATTACK_RULES
from brinell.testing.compressor_rules import COMPRESSOR_RULES
from brinell.testing.example_networks import digits_variant
from brinell.testing.rules import check_rules
from brinell.variants import Variant

S = TypeVar("S", bound=Spec)


def check_attack(attack: Attack | type[Attack]) -> None:
    """Check that an attack keeps the rules that all attacks of this project keep.

    The rules run on linear networks, where the nearest adversarial example is known, and on a small untrained residual
    network: what lies in the ball falls and nothing else does, epsilon 0 changes nothing, batches and order do not
    matter, nothing of the network changes. `ATTACK_RULES` lists them. Rules that set `epsilon` set a field `step_size`
    to a quarter of it.

    Args:
        attack: Its settings; or its class, for its defaults with an epsilon of 0.05. Rules on known answers need enough
            steps to reach a ball; few others make the check fast.

    Raises:
        BrokenRuleError: It breaks rules; the message names all of them with what was found.
        ConfigurationError: The class has required settings other than `epsilon`, or is no attack.

    Examples:
        >>> import brinell
        >>> check_attack(brinell.attacks.FGSM)
    """
    value = _value(attack, Attack, {"epsilon": 0.05})  # type: ignore[type-abstract]
    check_rules(f"{type(value).__name__} ({value.kind})", value, ATTACK_RULES)


def check_compressor(
    compressor: Compressor | type[Compressor], parent: Variant | None = None, data: Dataset | None = None
) -> None:
    """Check that a compressor keeps the rules that all compressors of this project keep.

    It compresses a network some ten times: the parent is not changed, equal seeds give equal results, an interruption
    changes nothing, the file restores the same tensors. `COMPRESSOR_RULES` lists the rules.

    Args:
        compressor: Its settings; or its class, for its defaults with one epoch of training in batches of 20.
        parent: The network to compress; by default a small ResNet-8 trained on scikit-learn's digits.
        data: Training examples of `parent`; by default 300 digits.

    Raises:
        BrokenRuleError: It breaks rules; the message names all of them with what was found.
        ConfigurationError: The class has required settings, or is no compressor; or one of `parent` and `data` is given
            without the other.

    Examples:
        >>> import brinell
        >>> train = brinell.training.Train(epochs=1, batch_size=50)
        >>> check_compressor(brinell.compressors.FineTune(train=train))
    """
    settings = {"train": {"epochs": 1, "batch_size": 20}}
    value = _value(compressor, Compressor, settings)  # type: ignore[type-abstract]
    if (parent is None) != (data is None):
        raise ConfigurationError("check_compressor: give both parent and data, or neither")
    if parent is None or data is None:
        parent, data = digits_variant()
    check_rules(f"{type(value).__name__} ({value.kind})", value, COMPRESSOR_RULES, parent, data)


def _value(member: object, family: type[S], settings: dict[str, Any]) -> S:
    """A member as it was given, or its class with those of `settings` that it has."""
    if isinstance(member, family):
        return member
    if not (isinstance(member, type) and issubclass(member, family)):
        raise ConfigurationError(f"expected {family.__name__.lower()} settings or a class of them, not {member!r}")
    fields = member.model_fields
    required = [name for name, field in fields.items() if field.is_required() and name not in settings]
    if required:
        raise ConfigurationError(
            f"{member.__name__} has required settings ({', '.join(required)}); give a value, such as "
            f"{member.__name__}({', '.join(f'{name}=...' for name in required)})"
        )
    wanted = {name for name in settings if name in fields and (name == "train" or fields[name].is_required())}
    return member.parse({name: settings[name] for name in wanted})

"""Which gradient an attack looks at on a planned variant, and which combinations make no sense."""

from __future__ import annotations

from brinell.attacks import ATTACKS, Attack
from brinell.core import ConfigurationError
from brinell.study.plan_variants import VariantPlan
from brinell.variants import VIEWS


def select_view(
    attack: Attack, asked: str | None, variant: VariantPlan, where: str, narrowed_by: str, *, traced: bool = False
) -> str:
    """The view `asked` for, or the attack's default one; `where` is the attack's place in the study.

    Raises:
        ConfigurationError: the variant has no such view, or the attack needs a gradient and the view gives none.
    """
    name, there = variant.record.name, views_of(variant)
    view = asked or attack.default_view(there, traced=traced)
    view = variant.view if view == "natural" else view
    elsewhere = f"or leave {name} out with {where}.{narrowed_by}"
    if view not in there:
        raise ConfigurationError(f"{where}.view: {name} has no {view}; accepted: {', '.join(there)}; {elsewhere}")
    if attack.needs == "gradient" and view == "none":
        free = [kind for kind in ATTACKS if ATTACKS[kind].needs == "scores"]
        twin = [other for other in there if other != "none"]
        remedies = [
            f"attack it with {' or '.join(free)}",
            *([f"look at its twin with view: {twin[0]}"] if twin else []),
            "transfer adversarials of another variant to it",
        ]
        raise ConfigurationError(
            f"{where}: {attack.kind} needs a gradient and {name} gives none: {', '.join(remedies)}, {elsewhere}"
        )
    return view


def views_of(variant: VariantPlan) -> tuple[str, ...]:
    """The views of a variant; surrogates stand in for the derivative of sign, which only binary networks have."""
    if variant.view == "exact":
        return ("exact", "none")
    if not variant.has_surrogates:
        return ("straight_through", "none")
    return tuple(view for view in VIEWS if view not in ("natural", "exact"))

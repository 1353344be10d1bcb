"""Specs: what they accept, how they refuse, how they are read and written."""

from __future__ import annotations

import pickle
from importlib.metadata import EntryPoint
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from brinell.core import ConfigurationError, Fraction, NotInKey, OmitDefaultFromKey, Registry, Spec, plugins


class Inner(Spec):
    kind = "inner"

    epochs: int = Field(10, ge=0)
    rate: Fraction = Field(0.1, gt=0)


class Outer(Spec):
    kind = "outer"

    epsilon: Fraction = Field(ge=0)
    norm: Literal["linf", "l2"] = "linf"
    shape: tuple[int, ...] = (1, 2)
    inner: Inner = Inner()
    other: Inner | None = None
    batch_size: Annotated[int, NotInKey()] = 100


class Revised(Outer):
    revision = 2


FAMILY: Registry[Spec] = Registry("member", Inner, Outer)


def refusal(config: dict[str, object], where: str = "attacks.pgd") -> str:
    with pytest.raises(ConfigurationError) as caught:
        Outer.parse(config, where)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("8/255", 8 / 255),
        ("0.5/255", 0.5 / 255),
        (" 8 / 255 ", 8 / 255),
        ("1e-3", 1e-3),
        ("2", 2.0),
        (3, 3.0),
        (0.1, 0.1),
    ],
)
def test_numbers_may_be_ratios(text: object, value: float) -> None:
    assert Outer.parse({"epsilon": text}).epsilon == value


@given(st.decimals(0, 1000, places=3), st.integers(1, 100_000))
def test_a_ratio_is_the_division_that_python_would_do(above: object, below: int) -> None:
    assert Outer.parse({"epsilon": f"{above}/{below}"}).epsilon == float(str(above)) / below


@pytest.mark.parametrize("text", ["8/0", "a/b", "eight", "", "/", "8/", "/255", "8/255/2", "1/2/3", True, False])
def test_what_is_neither_a_number_nor_a_ratio_is_refused(text: object) -> None:
    message = f"attacks.pgd.epsilon: expected a number or a ratio such as '8/255', not {text!r}"
    assert refusal({"epsilon": text}) == message


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e400", "1e999999999", float("nan"), float("inf"), "inf/1"])
def test_numbers_that_are_not_finite_are_refused(text: object) -> None:
    accepted = "input should be a finite number" if isinstance(text, float) or "e" in text else "expected a number or a"
    assert refusal({"epsilon": text}).startswith(f"attacks.pgd.epsilon: {accepted}")


def test_a_bound_names_the_place_the_bound_and_the_value() -> None:
    assert refusal({"epsilon": -0.5}) == "attacks.pgd.epsilon: input should be greater than or equal to 0, not -0.5"


def test_a_misspelt_key_is_told_what_was_meant() -> None:
    message = refusal({"epsilon": 0.1, "nrom": "l2"})
    assert message == (
        "attacks.pgd.nrom: unknown key; did you mean 'norm'? accepted: epsilon, norm, shape, inner, other, batch_size"
    )


def test_a_key_like_no_other_is_told_what_is_accepted() -> None:
    assert refusal({"epsilon": 0.1, "zzz": 1}).startswith("attacks.pgd.zzz: unknown key; accepted: epsilon, norm")


@pytest.mark.parametrize("field", ["inner", "other"])
def test_a_misspelt_key_inside_a_nested_spec_is_told_what_was_meant(field: str) -> None:
    message = refusal({"epsilon": 0.1, field: {"epoch": 3}})
    assert message == f"attacks.pgd.{field}.epoch: unknown key; did you mean 'epochs'? accepted: epochs, rate"


def test_every_problem_has_its_line() -> None:
    lines = refusal({"norm": "l3", "inner": {"rate": 0}, "shape": [1, "x"]}).splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "attacks.pgd.epsilon",
        "attacks.pgd.norm",
        "attacks.pgd.shape.1",
        "attacks.pgd.inner.rate",
    ]
    assert lines[0].endswith("missing, and has no default")
    assert "'linf' or 'l2'" in lines[1]
    assert lines[1].endswith("not 'l3'")


def test_without_a_place_the_message_begins_with_the_field() -> None:
    assert refusal({}, where="") == "epsilon: missing, and has no default"


def test_specs_are_frozen_values() -> None:
    one, same, other = Outer(epsilon=0.1), Outer(epsilon=0.1), Outer(epsilon=0.2)
    assert one == same
    assert hash(one) == hash(same)
    assert one != other
    assert pickle.loads(pickle.dumps(one)) == one  # noqa: S301 - our own bytes: how workers get them
    with pytest.raises(ValueError, match="frozen"):
        one.epsilon = 0.3  # type: ignore[misc]


def test_the_key_is_of_what_decides_the_result() -> None:
    base = Outer(epsilon=0.1)
    assert base.key == Outer(epsilon="0.1", batch_size=7).key  # type: ignore[arg-type]
    changed = [
        Outer(epsilon=0.2),
        Outer(epsilon=0.1, norm="l2"),
        Outer(epsilon=0.1, inner=Inner(epochs=3)),
        Outer(epsilon=0.1, other=Inner()),
        Revised(epsilon=0.1),
    ]
    assert len({base.key, *(spec.key for spec in changed)}) == 1 + len(changed)


def test_the_revision_of_a_nested_spec_reaches_the_key() -> None:
    class Newer(Inner):
        revision = 2

    assert Outer(epsilon=0.1, inner=Newer()).key != Outer(epsilon=0.1).key


def test_the_configuration_reads_back_nested_kinds_included() -> None:
    spec = Outer(epsilon=0.1, inner=Inner(epochs=3), other=Inner(rate=0.5), shape=(4,))
    assert spec.config()["inner"] == {"kind": "inner", "epochs": 3, "rate": 0.1}
    assert FAMILY.parse(spec.config()) == spec


def test_another_kind_is_not_swallowed() -> None:
    assert refusal({"kind": "inner", "epsilon": 1}) == "attacks.pgd: kind is 'inner', but 'outer' is expected here"
    message = refusal({"epsilon": 1, "inner": {"kind": "outer"}})
    assert message == "attacks.pgd.inner: kind is 'outer', but 'inner' is expected here"


def test_registries_list_their_members_in_order() -> None:
    assert list(FAMILY) == ["inner", "outer"]
    assert len(FAMILY) == 2
    assert FAMILY["outer"] is Outer


def test_registries_read_a_bare_kind() -> None:
    assert FAMILY.parse("inner") == Inner()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("iner", "study.x.kind: unknown member 'iner'; did you mean 'inner'? accepted: inner, outer"),
        ({"kind": 3}, "study.x.kind: unknown member 3; accepted: inner, outer"),
        ({"kind": ["inner"]}, "study.x.kind: unknown member ['inner']"),
        ({"epochs": 1}, "study.x.kind: missing; accepted: inner, outer"),
        ([1], "study.x: expected a mapping with a 'kind' (inner, outer), not [1]"),
        (None, "study.x: expected a mapping with a 'kind' (inner, outer), not None"),
        ({"kind": "inner", "epochs": -1}, "study.x.epochs: input should be greater than or equal to 0, not -1"),
    ],
)
def test_registries_refuse_with_the_place_and_the_choices(config: object, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        FAMILY.parse(config, "study.x")
    assert message in str(caught.value)


def test_an_unknown_kind_by_index_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match="unknown member 'innner'; did you mean 'inner'"):
        FAMILY["innner"]


def test_two_members_of_one_kind_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="Revised and Outer of the member registry have one kind"):
        Registry("member", Outer, Revised)


class Grown(Spec):
    """A spec that got a setting after results existed."""

    kind = "grown"
    size: int = 1
    extra: Annotated[int, OmitDefaultFromKey()] = 0


def test_a_later_field_leaves_old_keys_valid_until_it_is_used() -> None:
    assert "extra" not in Grown().identity()
    assert Grown(extra=0).key == Grown().key != Grown(extra=1).key
    assert Grown(extra=1).identity()["extra"] == 1


def test_a_nested_member_is_read_from_its_kind_or_left_alone() -> None:
    registry: Registry[Spec] = Registry("grown thing", Grown)
    assert registry.read("grown") == Grown()
    assert registry.read({"kind": "grown", "size": 3}) == Grown(size=3)
    assert registry.read(Grown(size=2)) == Grown(size=2)
    assert registry.read(None) is None
    with pytest.raises(ValueError, match="unknown grown thing 'green'"):
        registry.read("green")


class Added(Spec):
    kind = "added"


def test_a_registered_member_is_one_like_the_others_and_extends_what_builds_on_it() -> None:
    registry: Registry[Spec] = Registry("member", Inner)
    larger: Registry[Spec] = Registry("member", Outer, extends=registry)
    registry.register(Added)
    assert registry.parse("added") == Added()
    assert list(larger) == ["inner", "added", "outer"]
    with pytest.raises(ValueError, match="one kind, 'added'"):
        registry.register(type("Another", (Spec,), {"kind": "added", "__module__": __name__}))
    registry.unregister(Added)
    with pytest.raises(ConfigurationError, match="unknown member 'added'"):
        registry.parse("added")
    with pytest.raises(ValueError, match="not in the member registry"):
        registry.unregister(Added)


def test_entry_points_add_members_when_the_registry_is_first_used(monkeypatch: pytest.MonkeyPatch) -> None:
    offered = EntryPoint("added", f"{__name__}:Added", "brinell.tests")
    monkeypatch.setattr(plugins, "entry_points", lambda group: [offered] if group == "brinell.tests" else [])
    registry: Registry[Spec] = Registry("member", Inner, group="brinell.tests")
    assert list(registry) == ["inner", "added"]
    assert registry["added"] is Added


class Typed(Spec):
    kind = "typed"

    count: int = 1
    rate: float = 0.5
    share: Fraction = 0.5
    on: bool = False
    size: int | tuple[int, int] = 1
    numbers: tuple[float, ...] = ()
    channels: Literal[1, 3] = 3
    targets: int | Literal["all"] | None = None
    words: tuple[str, ...] = ()
    free: Any = None


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("count", True, "expected an integer, not True"),
        ("count", "1_000", "expected an integer, in digits and without quotes, not '1_000'"),
        ("count", "10", "expected an integer, in digits and without quotes, not '10'"),
        ("count", "yes", "valid integer"),
        ("count", 1.5, "fractional part"),
        ("rate", True, "expected a number, not True"),
        ("rate", "1_0", "expected a number, in digits and without quotes, not '1_0'"),
        ("share", True, "expected a number or a ratio such as '8/255', not True"),
        ("share", "8/2_55", "expected a number or a ratio such as '8/255', not '8/2_55'"),
        ("share", "\N{FULLWIDTH DIGIT EIGHT}", "expected a number or a ratio"),
        ("on", "yes", "expected true or false, not 'yes'"),
        ("on", 1, "expected true or false, not 1"),
        ("on", 0.0, "expected true or false, not 0.0"),
        ("size", [True, 2], "expected an integer"),
        ("size", ["3", 2], "expected an integer"),
        ("numbers", [0.5, False], "expected a number"),
        ("numbers", ["0.5"], "expected a number"),
        ("channels", True, "expected a number, not True"),
        ("channels", "3", "input should be 1 or 3"),
        ("targets", True, "expected an integer"),
        ("targets", "1_0", "expected an integer"),
        ("words", [1], "valid string"),
    ],
)
def test_values_of_another_type_are_refused_and_not_converted(field: str, value: object, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Typed.parse({field: value}, "here")
    assert said in str(caught.value)
    assert str(caught.value).count("\n") == 0, "one problem, one line"


def test_values_of_the_type_are_as_they_were() -> None:
    given = {"count": 2.0, "rate": 1, "share": "1/4", "on": True, "size": [1, 2], "numbers": [1, 2.5], "channels": 1}
    typed = Typed.parse({**given, "targets": "all", "words": ["yes", "1_0"], "free": "1_0"})
    assert (typed.count, typed.rate, typed.share, typed.on, typed.size) == (2, 1.0, 0.25, True, (1, 2))
    assert (typed.numbers, typed.channels, typed.targets, typed.free) == ((1.0, 2.5), 1, "all", "1_0")

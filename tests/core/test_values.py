"""Keys, seeds, schemas, errors: the small values that everything else leans on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from brinell.core import (
    ROW_SCHEMA,
    TRACE_SCHEMA,
    BrinellError,
    ConfigurationError,
    PlannedTrial,
    PlannedVariant,
    Point,
    StudyPlan,
    content_key,
    derive_seed,
    file_digest,
    no_progress,
    require,
)
from brinell.core import errors as room
from brinell.core.records import printable

NAMES = {
    "ResNet-20 (5\u202fbit)": "ResNet-20 (5\u202fbit)",
    "a\u00a0b\u3000c": "a\u00a0b\u3000c",
    "\u65e5\u672c\u8a9e caf\u00e9 e\u0301": "\u65e5\u672c\u8a9e caf\u00e9 e\u0301",
    "\U0001f469\u200d\U0001f4bb": "\U0001f469\u200d\U0001f4bb",
    "\u0646\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645": "\u0646\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
    "a\nb\tc\x00d\x1b[31m\x9b": "a\ufffdb\ufffdc\ufffdd\ufffd[31m\ufffd",
    "gpj.\u202ecipe": "gpj.\ufffdcipe",
    "\u2067x\u2069\ud800": "\ufffdx\ufffd\ufffd",
}


@pytest.mark.parametrize(("name", "shown"), NAMES.items())
def test_names_keep_their_letters_and_lose_what_commands(name: str, shown: str) -> None:
    assert printable(name) == shown
    assert printable(shown) == shown


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def test_keys_never_change_by_accident() -> None:
    """Pinned: when this fails, every finished run is computed again. Raise `SCHEMA` if that is meant."""
    assert content_key("trial", epsilon=8 / 255, steps=[1, 2], name="pgd") == "c7e7a7c287507eec19cb"


@given(st.dictionaries(st.text(min_size=1), JSON, max_size=5))
def test_keys_do_not_depend_on_the_order_of_mappings(parts: dict[str, object]) -> None:
    backwards = dict(reversed(parts.items()))
    assert content_key("x", parts=parts) == content_key("x", parts=backwards)


@given(JSON, JSON)
def test_different_parts_have_different_keys(one: object, other: object) -> None:
    written = [json.dumps(value, sort_keys=True) for value in (one, other)]
    assert (content_key("x", part=one) == content_key("x", part=other)) == (written[0] == written[1])


def test_the_kind_is_part_of_the_key_and_a_set_has_no_order() -> None:
    assert content_key("a", x=1) != content_key("b", x=1)
    assert content_key("a", x={3, 1, 2}) == content_key("a", x=frozenset([2, 3, 1])) == content_key("a", x=[1, 2, 3])


@pytest.mark.parametrize("value", [Path("somewhere"), object(), b"bytes"])
def test_what_is_not_plain_cannot_enter_a_key(value: object) -> None:
    with pytest.raises(TypeError, match="cannot be part of a key"):
        content_key("x", value=value)


def test_what_is_not_a_number_cannot_enter_a_key() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        content_key("x", value=float("nan"))


def test_file_digests_are_sha256(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    assert file_digest(tmp_path / "file") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_seeds_never_change_by_accident() -> None:
    assert derive_seed(0, "shuffle", 3) == 8900811738412078168


@given(
    st.integers(),
    st.lists(st.integers() | st.text(st.characters(codec="utf-8", exclude_characters="\x1f")), max_size=3),
)
def test_seeds_fit_every_generator(seed: int, purpose: list[str | int]) -> None:
    assert 0 <= derive_seed(seed, *purpose) < 1 << 63


def test_seeds_differ_by_parent_purpose_and_type() -> None:
    seeds = [
        derive_seed(0),
        derive_seed(1),
        derive_seed(0, "a"),
        derive_seed(0, "b"),
        derive_seed(0, "a", "b"),
        derive_seed(0, "ab"),
        derive_seed(0, 1),
        derive_seed(0, "1"),
        derive_seed(0, 1, 2),
        derive_seed(0, 12),
        derive_seed(derive_seed(0, "a"), "b"),
    ]
    assert len(set(seeds)) == len(seeds)


def test_schemas_name_types_that_tables_know() -> None:
    types = {"int32", "int64", "float32", "float64", "string", "bool"}
    for schema in (ROW_SCHEMA, TRACE_SCHEMA):
        assert {kind.removesuffix("?") for kind in schema.values()} <= types


def network(letter: str, **fields: object) -> PlannedVariant:
    return PlannedVariant(
        **{
            "name": letter, "key": letter * 20, "seed": 0, "parent": None, "baseline": letter * 20, "family": "model",
            "architecture": "", "settings": {}, **fields,
        }
    )  # fmt: skip


def test_plans_survive_json_and_ignore_what_later_versions_add() -> None:
    plan = StudyPlan(
        name="study",
        classes=2,
        class_names=("no", "yes"),
        dataset="digits",
        fingerprint="f",
        examples=5,
        config={"seeds": [0]},
        variants=(network("b"),),
        trials=(
            PlannedTrial(
                key="a" * 20,
                attack="pgd",
                kind="pgd",
                spec={"epsilon": 0.1},
                judged_on="b" * 20,
                crafted_on="b" * 20,
                seed=0,
                view="exact",
                runtime="reference",
                random=True,
                points=(Point(0.1, 3), Point(None, 5)),
                blocks=(),
            ),
        ),
    )
    written = json.loads(plan.model_dump_json())
    assert StudyPlan.model_validate(written) == plan
    assert StudyPlan.model_validate({**written, "later": 1}) == plan
    assert isinstance(StudyPlan.model_validate(written).trials[0].points[0], Point)


def test_a_plan_names_only_variants_that_it_holds_and_seeds_that_tables_hold() -> None:
    trial = {
        "key": "a" * 20, "attack": "pgd", "kind": "pgd", "spec": {}, "judged_on": "b" * 20, "crafted_on": "b" * 20,
        "seed": 0, "view": "exact", "runtime": "reference", "random": True, "points": (), "blocks": (),
    }  # fmt: skip
    probe = {"key": "d" * 20, "kind": "gallery", "variant": "b" * 20, "spec": {}, "seed": 0}
    whole = {
        "name": "study", "classes": 2, "class_names": (), "dataset": "digits", "fingerprint": "", "examples": 5,
        "config": {}, "variants": (network("b"),), "trials": (trial,), "probes": (probe,),
    }  # fmt: skip
    assert StudyPlan.model_validate(whole)
    unknown = "c" * 20
    for changed, message in (
        ({"variants": (network("b"), network("b"))}, "two have the same key"),
        ({"variants": (network("b", baseline=unknown),)}, f"variants.0.baseline: no variant has the key {unknown}"),
        ({"trials": (trial, {**trial, "judged_on": unknown})}, "trials.1.judged_on: no variant"),
        ({"trials": ({**trial, "crafted_on": unknown},)}, "trials.0.crafted_on: no variant"),
        ({"probes": ({**probe, "variant": unknown},)}, "probes.0.variant: no variant"),
        ({"trials": ({**trial, "seed": 2**63},)}, "less than 9223372036854775808"),
        ({"probes": ({**probe, "seed": -(2**63) - 1},)}, "greater than or equal to -9223372036854775808"),
    ):
        with pytest.raises(ValidationError, match=message):
            StudyPlan.model_validate({**whole, **changed})


def test_every_error_of_the_room_is_one_the_command_line_prints() -> None:
    raised = [value for value in vars(room).values() if isinstance(value, type) and issubclass(value, Exception)]
    assert len(raised) >= 7
    assert all(issubclass(error, BrinellError) for error in raised)


def test_a_missing_extra_says_how_to_install_it() -> None:
    assert require("json", extra="hub") is json
    with pytest.raises(ConfigurationError, match=r"pip install 'brinell\[hub\]'"):
        require("no_such_module_at_all", extra="hub")


def test_silence() -> None:
    assert no_progress("training", 1, 2) is None

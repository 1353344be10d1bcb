from __future__ import annotations

import os
from pathlib import Path

import pytest

from brinell.core import ConfigurationError
from brinell.study.reading import find, override, parse_yaml, read_text, shipped


def test_parse_reads_what_yaml_says():
    assert parse_yaml("a: 1\nb: {c: [1, 2.5, true], d: 8/255}\n") == {"a": 1, "b": {"c": [1, 2.5, True], "d": "8/255"}}
    assert parse_yaml("") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n", "here.yaml: b.c: the key stands twice, on lines 3 and 5"),
        ("a: [{b: 1, b: 2}]", "here.yaml: a.0.b: the key stands twice, on lines 1 and 1"),
        ("true: 1", "here.yaml: true (line 1): a key must be a word; put it in quotes: 'true'"),
        ("a: {20: 1}", "here.yaml: a.20 (line 1): a key must be a word"),
        ("a: &x [*x]", "here.yaml: a.0: the value contains itself"),
        ("a: [1", "here.yaml: line 1, column"),
        ("a: !!python/object/apply:os.system [ls]", "here.yaml: a (line 1): not valid YAML"),
        ("a: 1\n---\nb: 2", "here.yaml: line 2, column 1: not valid YAML"),
    ],
)
def test_parse_refuses_with_the_place(text, said):
    with pytest.raises(ConfigurationError) as caught:
        parse_yaml(text, "here.yaml")
    assert said in str(caught.value)


def test_an_alias_and_a_merge_are_not_duplicates():
    assert parse_yaml("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}") == {"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 3}}


def test_override_sets_what_is_there_and_what_is_left_out_and_copies():
    before = {"data": {"kind": "digits"}, "attacks": {"pgd": {"kind": "pgd", "sweep": {"steps": [1, 2]}}}}
    after = override(
        before,
        ["data.test.examples=10", "attacks.pgd.sweep.steps=[3, 4]", "attacks.pgd.epsilon=8/255", "seeds.attacks=[1]"],
    )
    assert after["data"] == {"kind": "digits", "test": {"examples": 10}}
    assert after["attacks"]["pgd"] == {"kind": "pgd", "sweep": {"steps": [3, 4]}, "epsilon": "8/255"}
    assert after["seeds"] == {"attacks": [1]}
    assert before["attacks"]["pgd"]["sweep"]["steps"] == [1, 2]


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("attacks.pgd", "expected PATH=VALUE"),
        ("attacks..pgd=1", "expected PATH=VALUE"),
        ("attacks.pdg.steps=1", "there is no attacks.pdg; did you mean 'pgd'?"),
        ("attacks.pgd.steps.x=1", "attacks.pgd.steps is 3, which has no keys"),
        ("attacks.pgd.steps=[1", "--set attacks.pgd.steps=[1: line 1"),
    ],
)
def test_override_refuses_with_the_setting(setting, said):
    with pytest.raises(ConfigurationError) as caught:
        override({"attacks": {"pgd": {"steps": 3}}}, [setting])
    assert said in str(caught.value)
    assert setting in str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("010", 10),
        ("-007", -7),
        ("0o17", 15),
        ("0x1F", 31),
        ("1e-3", 0.001),
        ("-1.5E+2", -150.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("8/255", "8/255"),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("0b11", "0b11"),
        ("2024-01-02", "2024-01-02"),
        ("'010'", "010"),
        ("yes", "yes"),
        ("Off", "Off"),
        ("-0x1F", "-0x1F"),
        ("190:20:30.15", "190:20:30.15"),
        ("!!int 010", 10),
        ("!!float 1", 1.0),
        ("=", "="),
        ("true", True),
        ("~", None),
    ],
)
def test_numbers_are_those_of_yaml_1_2(text, value):
    found = parse_yaml(f"a: {text}")["a"]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("merge", [False, True])
def test_a_bomb_of_aliases_is_refused_before_it_is_unfolded(merge):
    """Each of 60 levels holds the one before twice: 2^60 values from two kilobytes."""
    before, after = ("{<<: [", "]}") if merge else ("{a: [", "]}")
    levels = "".join(f"x{level}: &x{level} {before}*x{level - 1}, *x{level - 1}{after}\n" for level in range(1, 60))
    with pytest.raises(
        ConfigurationError, match=r"more than 100,000 values, aliases counted as often as they are used"
    ):
        parse_yaml(f"x0: &x0 {{a: 1}}\n{levels}", "bomb.yaml")


@pytest.mark.parametrize("text", ["[" * 65 + "]" * 65, "[" * 5000, "- " * 500, "? " * 500 + "a", "{a: " * 65])
def test_deep_nesting_is_refused(text):
    with pytest.raises(ConfigurationError, match="nested more than 64 deep"):
        parse_yaml(text, "deep.yaml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: !!binary aGk=", "a (line 1): not valid YAML: a value of type 'tag:yaml.org,2002:binary'"),
        ("a: !!timestamp 2001-01-01", "accepted: null, bool, int, float, str"),
        ("a: !!set {b: null}", "accepted: map"),
        ("a: !!omap [b: 1]", "accepted: seq"),
        ("a: !!bool yes", "a: 'yes' is no bool of YAML 1.2"),
        ("a: !!int 1_000", "a: '1_000' is no int of YAML 1.2"),
        ("a: !!float 1:30", "a: '1:30' is no float of YAML 1.2"),
        ("%YAML 1.1\n---\na: 010", "%YAML 1.1: accepted: 1.2"),
        ("a: 0x" + "f" * 6000, "a: a number of 6,002 characters; at most 64"),
        ("[" + "1," * 100_000 + "1]", "more than 100,000 values"),
    ],
)
def test_what_the_core_schema_does_not_have_is_refused(text, said):
    with pytest.raises(ConfigurationError) as caught:
        parse_yaml(text, "here.yaml")
    assert said in str(caught.value)


def test_a_study_that_is_no_file_or_too_large_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "large.yaml").write_bytes(b"#" * ((1 << 20) + 1))
    for path, said in (
        (tmp_path / "pipe.yaml", "it is no regular file but a named pipe"),
        (Path("/dev/zero"), "it is no regular file but a device"),
        (tmp_path / "large.yaml", "it has 1,048,577 bytes; at most 1,048,576 are accepted"),
    ):
        with pytest.raises(ConfigurationError, match=said):
            read_text(find(path))


def test_find_knows_files_and_shipped_names(tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text("")
    assert find(mine) == mine
    assert "quickstart" in shipped()
    assert find("quickstart").name == "quickstart.yaml"
    with pytest.raises(ConfigurationError, match="did you mean 'quickstart'"):
        find("quickstat")
    with pytest.raises(ConfigurationError, match=r"no study at .*gone\.yaml"):
        find(tmp_path / "gone.yaml")

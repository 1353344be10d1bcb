"""The section that says what a study reproduces: checked, carried to the run's folder, and of no weight in keys."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from brinell.analysis import papers as papers_room
from brinell.analysis.papers import paper, papers
from brinell.core import ConfigurationError, PlannedPaper, StudyPlan
from brinell.study import Study, plan
from brinell.study.config import DefinedNames, Paper
from brinell.study.reading import LIBRARY

SECTION = {"kind": "breakingbed", "rows": {"base": "resnet20/vanilla", "pruned": "resnet20/channel"}}


def test_the_plan_carries_it_and_no_key_changes(tiny: dict[str, Any]) -> None:
    plain, named = plan(Study.parse(tiny)), plan(Study.parse({**tiny, "paper": SECTION}))
    assert plain.paper is None
    assert "paper" not in plain.config
    assert named.paper == PlannedPaper(**SECTION)
    for things in ("variants", "trials", "probes"):
        assert [thing.key for thing in getattr(plain, things)] == [thing.key for thing in getattr(named, things)]
    assert StudyPlan.model_validate_json(named.model_dump_json()) == named


def test_it_reads_back_as_written(tiny: dict[str, Any]) -> None:
    study = Study.parse({**tiny, "paper": SECTION})
    assert Study.parse(study.config()) == study


def test_a_plan_of_before_has_none(tiny: dict[str, Any]) -> None:
    old = plan(Study.parse(tiny)).model_dump()
    del old["paper"]
    assert StudyPlan.model_validate(old).paper is None


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("breakingbed", "paper: expected a mapping of kind, rows, not 'breakingbed'"),
        ({"rows": {}}, "paper.kind: missing; accepted: breakingbed, robust-compression"),
        ({"kind": "breakingbed"}, "paper.rows: missing"),
        ({**SECTION, "row": {}}, "paper.row: unknown key; did you mean 'rows'?"),
        ({**SECTION, "kind": "breakinbed"}, "paper.kind: there is no 'breakinbed'; did you mean 'breakingbed'?"),
        ({**SECTION, "rows": {"bse": "resnet20/xnor"}}, "paper.rows: there is no 'bse'; did you mean 'base'?"),
        (
            {**SECTION, "rows": {"base": "resnet20/xnr"}},
            "paper.rows.base: there is no 'resnet20/xnr'; did you mean 'resnet20/xnor'?",
        ),
        ({**SECTION, "rows": {"base": 20}}, "paper.rows.base: there is no 20;"),
        ({**SECTION, "rows": ["base"]}, "paper.rows: expected a mapping, not ['base']"),
        (
            {**SECTION, "rows": {"base": "resnet20/xnor", "pruned": "resnet20/xnor"}},
            "paper.rows.pruned: resnet20/xnor is base already; one variant a row",
        ),
    ],
)
def test_what_does_not_exist_is_refused(tiny: dict[str, Any], section: object, message: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        Study.parse({**tiny, "paper": section})


def test_the_page_names_every_row() -> None:
    page = (Path(__file__).parents[2] / "docs" / "studies.md").read_text()
    for kind in papers():
        (line,) = [line for line in page.splitlines() if line.startswith(f"| `{kind}` | ")]
        named = set(re.findall(r"`([^`]+)`", line))
        assert named - {kind} == {part for row in paper(kind).rows for part in re.findall(r"[^/]+/?", row)}


@pytest.mark.parametrize("name", ["breakingbed", "robust-compression"])
def test_the_studies_that_ship_name_their_paper(name: str) -> None:
    config = yaml.safe_load((LIBRARY / f"{name}.yaml").read_text())
    assert Paper.model_validate(config["paper"], context=DefinedNames.of(config)).kind == name


@pytest.mark.parametrize("name", ["breakingbed", "robust-compression"])
def test_the_studies_that_ship_ask_what_their_paper_prints(name: str) -> None:
    asked = yaml.safe_load((LIBRARY / f"{name}.yaml").read_text()).get("probes", {})
    printed = (Path(papers_room.__file__).parent / f"{name}.yaml").read_text()
    needed = {"read: map": "activation_maps", "read: energy": "energy"}
    wanted = {probe for read, probe in needed.items() if read in printed}
    assert wanted
    assert wanted <= set(asked)

"""Checks as text for machines: JSON, JUnit's XML, Markdown, and the commands of GitHub's workflows."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Annotated, Literal
from xml.etree import ElementTree

import typer

from brinell.core.markdown import escaped
from brinell.core.records import printable


class Format(StrEnum):
    """What a command prints on standard output."""

    text = "text"
    json = "json"
    junit = "junit"
    markdown = "markdown"
    github = "github"


FormatOption = Annotated[
    Format, typer.Option("--format", help="text for people; the others are for CI, and print one document.")
]

Outcome = Literal["passed", "failed", "undecided"]


@dataclass(frozen=True)
class Check:
    """One condition on one thing, and what came of it."""

    name: str
    outcome: Outcome
    message: str = ""


@dataclass(frozen=True)
class Checks:
    """What a command checked."""

    title: str
    checks: tuple[Check, ...]

    @property
    def outcome(self) -> Outcome:
        """Failed where a check is, else undecided where one is."""
        found = {check.outcome for check in self.checks}
        return "failed" if "failed" in found else "undecided" if "undecided" in found else "passed"

    def counted(self) -> str:
        """`3 passed, 1 failed`."""
        counts = Counter(check.outcome for check in self.checks)
        found = [f"{counts[name]} {name}" for name in ("passed", "failed", "undecided") if counts[name]]
        return ", ".join(found) or "nothing checked"


def formatted(checks: Checks, kind: Format) -> str:
    """The document; in `text` a line for each check that did not pass, below how many did."""
    writers = {Format.json: _json, Format.junit: _junit, Format.markdown: _markdown, Format.github: _github}
    return writers.get(kind, _text)(checks)


def _text(checks: Checks) -> str:
    lines = [f"{check.outcome}: {check.name}: {check.message}" for check in _open(checks)]
    return "\n".join([f"{checks.title}: {checks.counted()}", *lines])


def _json(checks: Checks) -> str:
    found = {"title": checks.title, "outcome": checks.outcome, "checks": [asdict(check) for check in checks.checks]}
    return json.dumps(found, indent=1)


def _junit(checks: Checks) -> str:
    """A test suite: what failed is a failure, what is undecided is skipped."""
    counts = Counter(check.outcome for check in checks.checks)
    suite = ElementTree.Element("testsuite", name=_clean(checks.title), errors="0")
    suite.attrib |= {
        "tests": str(len(checks.checks)),
        "failures": str(counts["failed"]),
        "skipped": str(counts["undecided"]),
    }
    for check in checks.checks:
        case = ElementTree.SubElement(suite, "testcase", classname=_clean(checks.title), name=_clean(check.name))
        if check.outcome != "passed":
            tag = "failure" if check.outcome == "failed" else "skipped"
            ElementTree.SubElement(case, tag, message=_clean(check.message))
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True)


def _markdown(checks: Checks) -> str:
    rows = [f"| {check.outcome} | {escaped(check.name)} | {escaped(check.message)} |" for check in checks.checks]
    table = ["", "| outcome | check | measured |", "|---|---|---|", *rows] if rows else []
    return "\n".join([f"**{escaped(checks.title)}**: {checks.counted()}", *table])


def _github(checks: Checks) -> str:
    """An annotation for each check that did not pass."""
    lines = []
    for check in _open(checks):
        command = "error" if check.outcome == "failed" else "warning"
        lines.append(f"::{command} title={_property(check.name)}::{_escaped(check.message or check.outcome)}")
    return "\n".join([*lines, f"::notice title={_property(checks.title)}::{_escaped(checks.counted())}"])


def _open(checks: Checks) -> Sequence[Check]:
    return [check for check in checks.checks if check.outcome != "passed"]


def _clean(text: str) -> str:
    """Without the characters that XML forbids."""
    return printable(text.replace("\n", " "))


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")

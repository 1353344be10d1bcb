"""The page: one HTML file with everything inside it, nothing fetched."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Mapping, Sequence
from importlib import resources

import vl_convert
from jinja2 import Environment
from markupsafe import Markup

from brinell.analysis import CLEAN, Evaluation
from brinell.core.records import REMARKS
from brinell.reporting import script_escape
from brinell.reporting.drawing.chart import Figure, for_page
from brinell.reporting.drawing.palette import Style
from brinell.reporting.export import KINDS, Exhibit, folder_of, slug
from brinell.reporting.formats import elided, settings
from brinell.reporting.layout import APART, by_section, exhibit_groups
from brinell.reporting.summary import summary
from brinell.reporting.templates import template_environment

GLYPHS = {
    "circle": "M6 1.6a4.4 4.4 0 1 1 0 8.8a4.4 4.4 0 1 1 0-8.8z",
    "square": "M2 2h8v8H2z",
    "diamond": "M6 .6L11 6 6 11.4 1 6z",
    "triangle-up": "M6 1.2L11 10.4H1z",
    "triangle-down": "M6 10.8L1 1.6h10z",
    "cross": "M4.2 1h3.6v3.2H11v3.6H7.8V11H4.2V7.8H1V4.2h3.2z",
    "triangle-right": "M10.8 6L1.6 11V1z",
}
"""The palette's shapes in a box of 12 x 12."""


def render(
    evaluation: Evaluation,
    styles: Mapping[str, Style],
    exhibits: Sequence[Exhibit],
    problems: Sequence[str],
    folder: str,
    shipped: Mapping[str, str],
) -> str:
    """The whole page; `folder` is the run's folder as commands name it, `shipped` the variants' files by label."""
    figures = [exhibit for exhibit in exhibits if isinstance(exhibit, Figure)]
    charts = [{"charts": for_page(figure), "picked": figure.picked} for figure in figures]
    payload = script_escape.data({"variants": list(styles), "figures": charts})
    scripts = [_library(), script_escape.script(_template("page.js"))]
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            evaluation=evaluation,
            plan=evaluation.plan,
            places={name: place for place, name in enumerate(styles)},
            styles={**styles, **_of_names(evaluation, styles)},
            glyphs=GLYPHS,
            answer=summary(evaluation),
            bands=exhibit_groups(exhibits),
            numbers={figure.name: place for place, figure in enumerate(figures)},
            coverage=by_section(exhibits)[APART][0],
            problems=problems,
            attacks={trial.attack: settings(trial.spec) for trial in evaluation.plan.trials if trial.kind != CLEAN},
            environment={name: _fact(value) for name, value in evaluation.environment.items() if name != REMARKS},
            commands=_commands(folder),
            shipped=shipped,
            hashes=[script_escape.digest(code) for code in scripts],
            # Our own files, and what `script_escape` has made safe:
            style=Markup(_template("page.css")),  # noqa: S704
            payload=Markup(payload),  # noqa: S704
            scripts=[Markup(code) for code in scripts],  # noqa: S704
        )
    )


def _of_names(evaluation: Evaluation, styles: Mapping[str, Style]) -> dict[str, Style]:
    """Of a variant that was made with several seeds, the style of its first training."""
    found = evaluation.labels_of_names
    return {name: styles[every[0]] for name, every in found.items() if name not in styles and every[0] in styles}


def render_nothing(folder: str, problem: str) -> str:
    """The page of a run of which nothing can be read."""
    return (
        _environment()
        .get_template("nothing.html.j2")
        .render(
            folder=folder,
            problem=problem,
            command=command(folder),
            style=Markup(_template("page.css")),  # noqa: S704
        )
    )


def command(folder: str) -> str:
    """What draws the report of a run."""
    return f"brinell report {shlex.quote(f'./{folder}' if folder.startswith('-') else folder)}"


def _environment() -> Environment:
    environment = template_environment()
    environment.filters.update(slug=slug, elided=elided, files=_files)
    return environment


def _files(exhibit: Exhibit) -> list[tuple[str, str]]:
    """What each of an exhibit's files is called, and where it lies as seen from the page."""
    names = {"svg": "SVG", "pdf": "PDF", "csv": "CSV", "tex": "LaTeX"}
    return [(names[kind], f"{folder_of(exhibit)}/{slug(exhibit.name)}.{kind}") for kind in KINDS]


def _fact(value: object) -> str:
    """What the run's environment says, on one line."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_fact(part)}" for name, part in value.items())
    return "unknown" if value is None else str(value)


def _template(name: str) -> str:
    return resources.files("brinell.reporting").joinpath("templates", name).read_text(encoding="utf-8")


@functools.cache
def _library() -> str:
    """Vega, Vega-Lite and what embeds them, as one script."""
    return script_escape.script(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))


def _commands(folder: str) -> list[tuple[str, str]]:
    run = shlex.quote(folder)
    study = shlex.quote(f"{folder}/study.yaml")
    return [
        ("Measure again, or what is missing", f"brinell run {study} --out {run}"),
        ("Draw this page again", command(folder)),
    ]

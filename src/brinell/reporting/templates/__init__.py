"""The pages' templates, and how they are rendered: every text is escaped, and an unknown name is an error."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined


def template_environment() -> Environment:
    """Jinja's environment of the templates in this folder."""
    return Environment(
        loader=PackageLoader("brinell.reporting", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

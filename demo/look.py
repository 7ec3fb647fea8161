"""The pretend hospital's templates."""

from __future__ import annotations

from typing import Any

import jinja2

_templates = jinja2.Environment(
    loader=jinja2.PackageLoader("demo"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)


def page(name: str, **words: Any) -> str:
    return _templates.get_template(name).render(**words)

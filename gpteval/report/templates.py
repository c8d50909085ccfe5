"""Pages made of the templates in `html/`: every text in them is text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gpteval.text import printable


def rendered(
    template: str, facts: Mapping[str, Any], filters: Mapping[str, Callable[..., Any]] | None = None
) -> str:
    """A page: every text escaped, and what a browser would obey or hide named as a terminal does.

    Args:
        template: Its name, beside its style and its script.
        facts: What it reads.
        filters: Functions that it calls.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("gpteval.report", "html"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: printable(value) if type(value) is str else value,
    )
    environment.filters |= dict(filters or {})
    return environment.get_template(template).render(facts)

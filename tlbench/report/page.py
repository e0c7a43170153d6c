"""Renders the page: one HTML file that needs nothing else, for a phone, a desk and paper."""

from collections.abc import Sequence

from jinja2 import Environment, PackageLoader, StrictUndefined

from tlbench.analysis.collect import Records
from tlbench.report.part import Part
from tlbench.report.picture import inline

MOST_ROWS = 100  # of a table; its CSV has them all
LONG = 20  # rows: a longer table is folded


def render(study: Records, parts: Sequence[Part]) -> str:
    """Return the page as HTML."""
    environment = Environment(
        loader=PackageLoader("tlbench.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # An undefined name of the template is an error, not an empty place on the page.
    environment.filters["inline"] = inline
    template = environment.get_template("page.html.j2")
    names = ", ".join(sorted(study.table.study.astype(str).unique()))
    return template.render(study=study, parts=parts, names=names, most=MOST_ROWS, long=LONG)

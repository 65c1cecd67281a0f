"""A sheet as one HTML page: for a phone first, prints well, runs no script and loads nothing."""

from __future__ import annotations

from base64 import b64encode
from functools import cache
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from levity_trio.documents.logo import media_type
from levity_trio.documents.sheet import Sheet


def html(sheet: Sheet) -> str:
    """Return the page. Raises DocumentProblem if the logo is neither PNG nor JPEG."""
    return _page().render(sheet=sheet, logo=_address(sheet.logo) if sheet.logo else None)


def _address(logo: bytes) -> str:
    return f"data:{media_type(logo)};base64,{b64encode(logo).decode()}"


@cache
def _page() -> Template:
    return _ENVIRONMENT.get_template("page.html")


_ENVIRONMENT: Final = Environment(
    loader=PackageLoader("levity_trio.documents", ""),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)

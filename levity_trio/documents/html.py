"""A sheet, or one of codes, as one HTML page: for a phone first, prints well, runs no script and
loads nothing."""

from __future__ import annotations

from base64 import b64encode
from functools import cache
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from levity_trio.documents.paper import WORDS, CodeSheet
from levity_trio.documents.qr import payment_modules, text_code
from levity_trio.documents.sheet import Sheet, media_type
from levity_trio.locale import _, language


def html(sheet: Sheet) -> str:
    """Return the page. Raises DocumentProblem if the logo is neither PNG nor JPEG."""
    logo = None
    if sheet.logo:
        # The logo stands in the page itself, so that the page loads nothing from elsewhere.
        content = b64encode(sheet.logo).decode()
        logo = f"data:{media_type(sheet.logo)};base64,{content}"
    return _page("page.html").render(sheet=sheet, logo=logo, modules=payment_modules)


def codes_html(sheet: CodeSheet) -> str:
    """Return the page of a sheet of codes."""
    return _page("codes.html").render(sheet=sheet, words=WORDS, code=text_code, language=language())


@cache
def _page(name: str) -> Template:
    return _ENVIRONMENT.get_template(name)


_ENVIRONMENT: Final = Environment(
    loader=PackageLoader("levity_trio.documents", ""),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.globals["_"] = _

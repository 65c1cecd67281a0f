"""Every link of every page leads somewhere, and every form to a request that exists, as its reader follows them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urljoin, urlsplit

import pytest

from tests.browser.furnished import PASSWORD, peopled_site
from tests.browser.pages import PAGES, filled, reader_of
from tests.browser.site import Site
from tests.integration.browsing import Browser, Page

NAMES = {"admin": "Cleo", "driver": "Anna"}
LEAVES = ("/api/docs", "/logout")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with peopled_site(tmp_path_factory.mktemp("links")) as furnished:
        yield furnished


@pytest.mark.parametrize("role", NAMES)
def test_no_link_and_no_form_leads_nowhere(site: Site, role: str) -> None:
    browser = Browser(site.server)
    browser.send(browser.get("/login").form("/login"), name=NAMES[role], password=PASSWORD)
    pages = [browser.get(filled(path, site)) for path in PAGES if reader_of(path) == role]
    found = {_kind(target): (target, page.path) for page in pages for target in _targets(page)}
    assert len(found) > 10
    assert not [(target, page) for target, page in found.values() if browser.get(target).status != 200]


def _kind(target: str) -> str:
    """Return what links that differ in numbers and names of things have in common."""
    return re.sub(r"[^/?&=]*[0-9%][^/?&=]*", "1", target)


def _targets(page: Page) -> Iterator[str]:
    """Yield where a page leads, on this site: a GET of a form's target shows the form."""
    buttons = [button.action for form in page.forms for button in form.buttons]
    for link in (*page.links, *(form.action for form in page.forms), *buttons):
        target = urljoin(page.path, link)
        if link and target.startswith("/") and not target.startswith(LEAVES):
            yield urlsplit(target)._replace(fragment="").geturl()

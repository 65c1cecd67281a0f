"""What holds for every page: it fits a narrow phone, axe-core finds nothing grave, and it reads
without JavaScript.

A load costs more than most checks. So a page is loaded twice for all of them, with JavaScript and
without.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

from playwright.sync_api import Page, ViewportSize

from tests.browser.chromium import WIDE, seen
from tests.browser.furnished import peopled_site
from tests.browser.pages import PAGES, SCHEMES, Scheme, filled, reader_of
from tests.browser.site import Site
from tests.integration.browsing import Browser
from tests.integration.browsing import Page as Followed
from tests.sizes import IS_FULL, is_chosen

NEW: Final = "about:blank"
LEAVES: Final = ("/api/docs", "/logout")
NARROW: Final[ViewportSize] = {"width": 360, "height": 740}
GRAVE: Final = ("serious", "critical")
SETTLED_MS: Final = 700
"""Until what arrives after the page has come: fonts, the stream's first patch."""
MOST_TOLD: Final = 5
MOST_SHIFT: Final = 0.1
LEAST_TARGET: Final = 44
SHIFTS: Final = """
window.shifts = [];
new PerformanceObserver(list => list.getEntries().forEach(entry => window.shifts.push(entry.value)))
  .observe({type: "layout-shift", buffered: true});
"""
TARGETS: Final = """least => {
  const wanted = "a[href], button, input:not([type=hidden]), select, textarea, summary, [role=button], [role=tab]";
  const inText = one => getComputedStyle(one).display === "inline"
    && getComputedStyle(one, "::after").content === "none"
    && one.parentElement.textContent.trim() !== one.textContent.trim();
  const box = one => (one.matches("[type=checkbox], [type=radio]") && one.closest("label") || one)
    .getBoundingClientRect();
  const hits = (one, x, y) => {  // also what stands around it as ::after, or as its label
    const found = document.elementFromPoint(x, y);
    return found && (one.contains(found) || [...(one.labels || [])].some(label => label.contains(found)));
  };
  const reaches = one => {
    one.scrollIntoView({block: "center", inline: "nearest"});
    const {x, y, width, height} = box(one), far = least / 2 - 1;
    const [middle, centre] = [x + width / 2, y + height / 2];
    return (width >= least || [-far, far].every(way => hits(one, middle + way, centre)))
      && (height >= least || [-far, far].every(way => hits(one, Math.min(middle, x + 20), centre + way)));
  };
  return [...document.querySelectorAll(wanted)]
    .filter(one => one.checkVisibility({visibilityProperty: true}) && !inText(one))
    .map(one => [one, box(one)])
    .filter(([one, {width, height}]) => width > 1 && height > 1 && (width < least || height < least) && !reaches(one))
    .map(([one, {width, height}]) => `${Math.round(width)} x ${Math.round(height)}: ${one.outerHTML.slice(0, 120)}`);
}"""  # noqa: E501
WIDER: Final = """most => {
  const whole = document.documentElement.scrollWidth;
  if (whole <= most) return [];
  const right = one => one.getBoundingClientRect().left + one.scrollWidth;
  const last = [...document.querySelectorAll("body *")].filter(one => right(one) > most + 1).at(-1);
  return [`${whole} px: ${last?.outerHTML.slice(0, 120)}`];
}"""
HIDDEN_TABS: Final = """most => [...document.querySelectorAll(".tabs [aria-current]")]
  .filter(one => one.getBoundingClientRect().left < 0 || one.getBoundingClientRect().right > most)
  .map(one => one.innerText)"""
AXE: Final = """async rules => (await axe.run({resultTypes: ["violations"], ...(rules && {runOnly: rules})})).violations
  .map(({id, impact, help, nodes}) => [impact, `${id}: ${help}`, nodes.slice(0, 3).map(one => one.html.slice(0, 200))])
"""  # noqa: E501
UNREACHED: Final = """() => [...document.querySelectorAll("body :not(nav, nav *, input, select, textarea)")]
  .filter(one => /auto|scroll/.test(getComputedStyle(one).overflow))
  .filter(one => !one.matches("[tabindex='0'][role=region][aria-label]"))
  .map(one => one.outerHTML.slice(0, 120))"""  # noqa: E501
HEADINGS: Final = """() => [...document.querySelectorAll("main :is(h1, h2)")].filter(one => one.checkVisibility())
  .map(one => one.innerText.trim())"""  # noqa: E501


def open_site(folder: Path) -> AbstractContextManager[Site]:
    return peopled_site(folder)


@seen(is_mobile=True, has_touch=True, again=True)
def is_for_everybody(page: Page, site: Site, path: str, axe: str) -> None:
    """Nothing is wrong on a phone, axe-core, from this file, finds nothing, and nothing needs
    JavaScript.

    Nothing is cached: what comes late moves what is read. Both colour schemes use the same elements
    and names of colours: unless it is at full size, a page is seen in one of them.
    """
    if page.url == NEW:
        page.add_init_script(SHIFTS)
        page.add_init_script(path=axe)
    schemes = SCHEMES if is_chosen(path, 2) else SCHEMES[::-1]
    devtools = page.context.new_cdp_session(page)
    devtools.send("Network.enable")
    devtools.send("Network.setCacheDisabled", {"cacheDisabled": True})
    page.set_viewport_size(NARROW)
    page.emulate_media(color_scheme=schemes[0], reduced_motion="no-preference")
    _open(page, site, path)
    page.wait_for_timeout(SETTLED_MS)
    faults = list(_narrow_faults(page))[:MOST_TOLD]
    page.set_viewport_size(WIDE)
    faults += _faults_of_access(page, schemes)
    headings = page.evaluate(HEADINGS)
    devtools.send("Network.setCacheDisabled", {"cacheDisabled": False})
    devtools.send("Emulation.setScriptExecutionDisabled", {"value": True})
    site.served[path] = _open(page, site, path)
    faults += _faults_alone(page, headings)
    devtools.detach()
    assert not faults, "\n".join(faults)


@seen(is_mobile=True, has_touch=True, again=True)
def as_served(page: Page, site: Site, path: str) -> str:
    """Return the page's HTML. If it has not been looked at, it is fetched as the page fetches it,
    and not shown."""
    if path not in site.served:
        site.lend(page, reader_of(path))
        answer = page.request.get(site.url + filled(path, site))
        assert answer.status == 200, (answer.status, answer.url)
        site.served[path] = answer.text()
    return site.served[path]


@seen(is_mobile=True, has_touch=True, again=True)
def leads_nowhere(_page: Page, site: Site, role: str) -> list[tuple[str, str]]:
    """Return the links and forms of pages that lead nowhere for a reader in this role, each with
    its page."""
    browser = Browser(site.server)
    browser.cookies = {one["name"]: one["value"] for one in site.cookies[role]}
    pages = [browser.get(filled(path, site)) for path in PAGES if reader_of(path) == role]
    found = {_kind(target): (target, page.path) for page in pages for target in _targets(page)}
    assert len(found) > 10
    return [(target, page) for target, page in found.values() if browser.get(target).status != 200]


def _kind(target: str) -> str:
    """Return what links that differ in numbers and names of things have in common."""
    return re.sub(r"[^/?&=]*[0-9%][^/?&=]*", "1", target)


def _targets(page: Followed) -> Iterator[str]:
    """Yield where a page leads, on this site: a GET of a form's target shows the form."""
    buttons = [button.action for form in page.forms for button in form.buttons]
    for link in (*page.links, *(form.action for form in page.forms), *buttons):
        target = urljoin(page.path, link)
        if link and target.startswith("/") and not target.startswith(LEAVES):
            yield urlsplit(target)._replace(fragment="").geturl()


def _narrow_faults(page: Page) -> Iterator[str]:
    """Nothing is wider than 360 px, the current tab is seen, nothing jumps, and what can be tapped
    is large enough."""
    yield from (f"wider than the screen: {html}" for html in page.evaluate(WIDER, NARROW["width"]))
    yield from (
        f"the current tab is not seen: {name}"
        for name in page.evaluate(HIDDEN_TABS, NARROW["width"])
    )
    yield from (f"small target: {told}" for told in page.evaluate(TARGETS, LEAST_TARGET))
    if (shift := sum(page.evaluate("window.shifts"))) >= MOST_SHIFT:
        yield f"layout shift {shift:.3f}"


def _faults_of_access(page: Page, schemes: Sequence[Scheme]) -> Iterator[str]:
    """axe-core finds nothing serious, and the keyboard reaches what scrolls."""
    yield from (
        f"scrolls, and the keyboard does not reach it: {html}" for html in page.evaluate(UNREACHED)
    )
    for scheme in schemes if IS_FULL else schemes[:1]:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        found: list[list[Any]] = page.evaluate(
            AXE, None if scheme == schemes[0] else ["color-contrast"]
        )
        yield from (f"{scheme}: {json.dumps(one, indent=1)}" for one in found if one[0] in GRAVE)


def _faults_alone(page: Page, headings: Sequence[str]) -> Iterator[str]:
    """Without JavaScript, the page has the headings that it has with it, and its text."""
    alone, text = page.evaluate(HEADINGS), page.locator("main").inner_text()
    if not headings or alone != headings:
        yield f"{alone} without, {headings} with JavaScript"
    if len(text) <= sum(map(len, headings)):
        yield f"no text without JavaScript: {text}"


def _open(page: Page, site: Site, path: str) -> str:
    site.lend(page, reader_of(path))
    answer: Any = page.goto(site.url + filled(path, site))
    assert answer.status == 200, (answer.status, page.url)
    html: str = answer.text()
    return html

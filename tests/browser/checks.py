"""What holds for every page: axe-core finds nothing grave, it fits a narrow phone, and it reads without JavaScript."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Page

from tests.browser.chromium import seen
from tests.browser.furnished import peopled_site
from tests.browser.pages import SCHEMES, filled, reader_of
from tests.browser.site import Site
from tests.sizes import IS_FULL, is_chosen

NARROW: Final = {"width": 360, "height": 740}
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
}"""
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
"""
UNREACHED: Final = """() => [...document.querySelectorAll("body :not(nav, nav *, input, select, textarea)")]
  .filter(one => /auto|scroll/.test(getComputedStyle(one).overflow))
  .filter(one => !one.matches("[tabindex='0'][role=region][aria-label]"))
  .map(one => one.outerHTML.slice(0, 120))"""
HEADINGS: Final = """() => [...document.querySelectorAll("main :is(h1, h2)")].filter(one => one.checkVisibility())
  .map(one => one.innerText.trim())"""


def open_site(folder: Path) -> AbstractContextManager[Site]:
    return peopled_site(folder)


@seen(bypass_csp=True, again=True)
def accessible(page: Page, site: Site, path: str, axe: str) -> None:
    """axe-core, from this file, finds nothing serious, neither light nor dark; the keyboard reaches what scrolls.

    Both schemes use the same elements and names of colours: unless it is at full size, a page is seen in one of them.
    """
    first, *others = SCHEMES if is_chosen(path, 2) else SCHEMES[::-1]
    page.emulate_media(color_scheme=first, reduced_motion="reduce")
    _open(page, site, path)
    site.headings[path] = page.evaluate(HEADINGS)
    page.add_script_tag(path=axe)
    assert not (unreached := page.evaluate(UNREACHED)), f"scrolls, and the keyboard does not reach it: {unreached}"
    found: list[list[Any]] = page.evaluate(AXE)
    for scheme in others if IS_FULL else ():
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        found += [[scheme, *one] for one in page.evaluate(AXE, ["color-contrast"])]
    assert not (grave := [one for one in found if {*one[:2]} & {*GRAVE}]), f"{first}: {json.dumps(grave, indent=1)}"


@seen(java_script_enabled=False, again=True)
def as_served(page: Page, site: Site, path: str) -> str:
    """Return the page's HTML. It is fetched as the page fetches it, and not shown."""
    site.lend(page, reader_of(path))
    answer = page.request.get(site.url + filled(path, site))
    assert answer.status == 200, (answer.status, answer.url)
    return answer.text()


@seen(viewport=NARROW, has_touch=True, is_mobile=True)
def fits_a_phone(page: Page, site: Site, path: str) -> None:
    """Nothing is wider than 360 px, the current tab is seen, nothing jumps, and what can be tapped is large enough."""
    page.add_init_script(SHIFTS)
    _open(page, site, path)
    page.wait_for_timeout(SETTLED_MS)
    faults = list(_narrow_faults(page))
    assert not faults, "\n".join(faults[:MOST_TOLD])


def _narrow_faults(page: Page) -> Iterator[str]:
    yield from (f"wider than the screen: {html}" for html in page.evaluate(WIDER, NARROW["width"]))
    yield from (f"the current tab is not seen: {name}" for name in page.evaluate(HIDDEN_TABS, NARROW["width"]))
    yield from (f"small target: {told}" for told in page.evaluate(TARGETS, LEAST_TARGET))
    if (shift := sum(page.evaluate("window.shifts"))) >= MOST_SHIFT:
        yield f"layout shift {shift:.3f}"


@seen(java_script_enabled=False, again=True)
def reads_without_javascript(page: Page, site: Site, path: str) -> None:
    """The page has the headings that it has with JavaScript, and its text."""
    _open(page, site, path)
    alone, text = page.evaluate(HEADINGS), page.locator("main").inner_text()
    headings = site.headings.get(path)
    if headings != alone:  # not looked at yet, or something has happened at the site since
        headings = _headings_beside(page, site, path)
    assert headings
    assert alone == headings, f"{alone} without, {headings} with JavaScript"
    assert len(text) > sum(map(len, headings))


def _headings_beside(page: Page, site: Site, path: str) -> list[str]:
    """Return the headings that a page has now with JavaScript."""
    browser = page.context.browser
    assert browser is not None
    with browser.new_context() as context:
        beside = context.new_page()
        _open(beside, site, path)
        found: list[str] = beside.evaluate(HEADINGS)
        return found


def _open(page: Page, site: Site, path: str) -> str:
    site.lend(page, reader_of(path))
    answer: Any = page.goto(site.url + filled(path, site))
    assert answer.status == 200, (answer.status, page.url)
    html: str = answer.text()
    return html

"""What tasks of an owner cost: `python -m tests.tools.effort`, in Chromium.

On the demo, sixteen households with card and space are typed from a list, row by row; keys beside
those of names and card numbers are counted, Tab and the button too. Equal reviews are settled from
the first page on; clicks are counted. Then the tasks of an owner's year (tests/browser/owner.py
says how they are counted), and a month: its bank's file of 40 lines, closing, papers and mails.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from playwright.sync_api import Page, expect

from tests.browser.chromium import Setting, launched, opened, send
from tests.browser.site import Site
from tests.browser.stories.year import in_english_on_a_wide_screen
from tests.demo.running import running_demo

HOUSEHOLDS: Final = 16
MOST_KEYS, MOST_CLICKS = 200, 3
FOCUSED: Final = "document.activeElement.name || document.activeElement.textContent.trim()"


def main() -> int:
    """Print both, and whether they are few enough."""
    with running_demo() as demo, launched() as browser, opened(browser, Setting()) as (page, _):
        keys = typed(page, demo.dashboard)
        clicks = settled(page, demo.dashboard)
    print(
        f"{HOUSEHOLDS} households with card and space: {keys} keys beside names and cards, at "
        f"most {MOST_KEYS}"
    )
    print(f"equal reviews: {clicks} clicks, at most {MOST_CLICKS}")
    print_year()
    return int(keys > MOST_KEYS or clicks > MOST_CLICKS)


def print_year() -> None:
    """Print what each task of the year takes, in English on a wide screen."""
    with (
        TemporaryDirectory() as folder,
        launched() as browser,
        opened(browser, Setting()) as (page, _),
    ):
        told = in_english_on_a_wide_screen(page, Site(Path(folder)))
    for task, took in told.items():
        print(f"{task:45}{took['taps']:3} taps{took['seconds']:7} s")


def typed(page: Page, url: str) -> int:
    """Enter the households; return how many keys were pressed."""
    page.goto(f"{url}/accounts")
    page.get_by_role("link", name="Enter a list").click()
    page.locator("[name='rows[0].name']").click()
    keys = 0
    for row in range(HOUSEHOLDS):
        cells = {
            "name": f"Flat {row + 101}, Doe",
            "card": f"04F0F0{row:02X}",
            "space": str(row + 1),
        }
        for cell, text in cells.items():
            keys += _tab_to(page, f"rows[{row}].{cell}")
            page.keyboard.type(text)
            keys += len(text) if cell == "space" else 0
    send(page.get_by_role("button", name="Enter these households"))
    expect(page.locator("main")).to_contain_text("Flat 116, Doe")
    return keys + 1


def _tab_to(page: Page, name: str) -> int:
    """Press Tab until a field has the focus; return how often."""
    pressed = 0
    while page.evaluate(FOCUSED) != name:
        page.keyboard.press("Tab")
        pressed += 1
        assert pressed < MOST_KEYS, f"Tab does not reach {name}"
    return pressed


def settled(page: Page, url: str) -> int:
    """Settle the reviews of one charger with one cause; return how many clicks it took."""
    page.goto(url)
    steps = (
        page.get_by_role("link", name="Review").first,
        page.get_by_role("link", name="Decide about all"),
    )
    for step in steps:
        step.click()
    page.get_by_role("button", name="Settle").click()
    expect(page.locator("main")).to_contain_text("Settled: ")
    return len(steps) + 1


if __name__ == "__main__":
    sys.exit(main())

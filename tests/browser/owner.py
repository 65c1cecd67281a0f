"""An owner in a browser, whose taps are counted.

A tap is a click on a link, a button, a fold, a switch or a field for a file, or a choice in a list.
Typing is none, and neither is reaching a field by the Tab key. Each task begins on Now. Words are
given in English, and sought in the owner's language.

How long a task takes an owner follows the keystroke-level model (Card, Moran and Newell): so much
for each tap and key, a thought for each page that comes and each row that is read, and what the
pages let him wait.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from playwright.sync_api import Locator, Page, expect

from levity_trio.locale import _, speaking
from tests.browser.checks import LEAST_TARGET, TARGETS, WIDER

MOST_TAPS: Final = 6
TAP_SECONDS, KEY_SECONDS, THOUGHT_SECONDS = 1.2, 0.28, 1.35
"""To point at something and press it; to type a letter; to make up one's mind."""
PHONE_WIDTH, WIDE_WIDTH = 360, 1280
KIND_OF_PAGE: Final = """() => [...document.querySelectorAll("h1, h2, caption, summary, main form")]
  .map(one => one.matches("form") ? one.getAttribute("action") : one.innerText).join("|")"""


@dataclass
class Effort:
    """What a task takes: taps, letters that are typed, pages that come, rows that are read, and
    seconds in which pages are awaited."""

    taps: int = 0
    keys: int = 0
    pages: int = 0
    rows: int = 0
    waited: float = 0.0

    @property
    def seconds(self) -> float:
        """How long an owner takes."""
        thoughts = THOUGHT_SECONDS * (self.pages + self.rows)
        return TAP_SECONDS * self.taps + KEY_SECONDS * self.keys + thoughts + self.waited


class Owner:
    """Somebody who has only the browser."""

    def __init__(self, page: Page, url: str, language: str) -> None:
        self._page = page
        self._url = url
        self._language = language
        self._kinds_seen: set[str] = set()
        self._effort = Effort()
        self.efforts: dict[str, Effort] = {}
        page.on("framenavigated", self._note_page)

    @property
    def main(self) -> Locator:
        """The page's own part."""
        return self._page.locator("main")

    @contextmanager
    def task(self, name: str) -> Iterator[None]:
        """Count a task from Now to its end; more than MOST_TAPS are too many."""
        self._effort = self.efforts[name] = Effort()
        self._page.goto(f"{self._url}/")
        yield
        self._check_layout()
        assert self._effort.taps <= MOST_TAPS, f"{name}: {self._effort.taps} taps"

    def leave(self) -> None:
        """Close the page, so that nothing asks a server that is stopped."""
        self._page.goto("about:blank")

    def say(self, words: str, **values: object) -> str:
        """Return words in the owner's language."""
        with speaking(self._language):
            return _(words, **values)

    # What it does

    def tap(self, place: Locator) -> None:
        """Tap something, and wait for the page that may follow."""
        self._check_layout()
        self._effort.taps += 1
        began = time.monotonic()
        place.click()
        self._page.wait_for_load_state()
        self._effort.waited += time.monotonic() - began

    def section(self, name: str) -> None:
        """Go to a section, through the button of the others where it has no place of its own."""
        sections = self._page.locator("nav.sections")
        link = sections.get_by_role("link", name=self.say(name), exact=True)
        if not link.is_visible():
            self.tap(sections.get_by_role("button"))
        self.tap(link)

    def link(self, words: str, **values: object) -> None:
        """Tap the first link with these words."""
        self.tap(self.main.get_by_role("link", name=self.say(words, **values)).first)

    def follow(self, path: str) -> None:
        """Tap the first link to a path that ends so."""
        self.tap(self.main.locator(f"a[href$='{path}']").first)

    def button(self, words: str) -> None:
        """Tap the first button with these words."""
        self.tap(self.main.get_by_role("button", name=self.say(words)).first)

    def send(self) -> None:
        """Tap the button that a form is for."""
        self.tap(self.main.locator("form button.strong").first)

    def agree(self, place: Locator, number: int = 0) -> None:
        """Unfold a button that asks once more, the first or a later one, and tap that."""
        fold = place.locator("details.ask").nth(number)
        self.tap(fold.locator("summary"))
        self.tap(fold.locator("button"))

    def type(self, name: str, text: str) -> None:
        """Type into the field of this name."""
        self.main.locator(f"[name='{name}']:not([type=hidden])").first.fill(text)
        self._effort.keys += len(text)

    def choose(self, name: str, value: str) -> None:
        """Choose from the list of this name."""
        self.main.locator(f"select[name='{name}']").select_option(value)
        self._effort.taps += 1

    def give_file(self, name: str, text: str) -> None:
        """Choose a file."""
        given: Any = {"name": name, "mimeType": "text/csv", "buffer": text.encode()}
        self.main.locator("input[type=file]").first.set_input_files(given)
        self._effort.taps += 1

    def download(self, path: str) -> bytes:
        """Tap the first link to a file whose path has these words; return the file.

        It is fetched beside the page: this browser has no window for downloads.
        """
        link = self.main.locator(f"a[href*='{path}']").first
        expect(link).to_be_visible()
        self._effort.taps += 1
        began = time.monotonic()
        target, language = link.get_attribute("href"), {"accept-language": self._language}
        answer = self._page.request.get(f"{self._url}{target}", headers=language)
        self._effort.waited += time.monotonic() - began
        assert answer.ok, (answer.status, answer.url)
        return answer.body()

    # What it sees

    def reads(self, rows: int) -> None:
        """Read this many rows before the next tap."""
        self._effort.rows += rows

    def sees(self, words: str, **values: object) -> None:
        """Wait until the page says this."""
        expect(self.main).to_contain_text(self.say(words, **values))

    def row(self, words: str) -> Locator:
        """Return the first row of a table that has these words."""
        return self.main.locator("tr").filter(has_text=words).first

    def _note_page(self, _frame: object) -> None:
        self._effort.pages += 1

    def _check_layout(self) -> None:
        """Whatever is shown fits both screens, and can be tapped on a phone; each kind of page is
        looked at once."""
        kind = re.sub(r"\d+", "0", self._page.evaluate(KIND_OF_PAGE))
        if kind in self._kinds_seen:
            return
        self._kinds_seen.add(kind)
        size = self._page.viewport_size
        assert size is not None
        own = size["width"]
        faults: list[str] = []
        for width in (PHONE_WIDTH + WIDE_WIDTH - own, own):
            self._page.set_viewport_size({"width": width, "height": size["height"]})
            faults += self._page.evaluate(WIDER, width)
            if width == PHONE_WIDTH:
                faults += self._page.evaluate(TARGETS, LEAST_TARGET)
        assert not faults, (self._page.url, faults)

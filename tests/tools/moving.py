"""The moving picture of README.md: a card is held at a charger, a car charges, and the statement
has it.

It is played in the demo, at a charger that is added to it, on the pages of a neighbour and of the
owner. Nothing of the pages is painted; below them stands a line that says what happens.
"""

from __future__ import annotations

import io
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from PIL import Image
from playwright.sync_api import Browser, Page

from levity_trio.client import Api, Sought
from levity_trio.demo.house import NEIGHBOUR, SPEED
from tests.browser.chromium import Setting, opened
from tests.browser.site import wait_until
from tests.demo.running import Demo
from tests.integration.simulating import controlled

WIDTH, HEIGHT, LINE_HEIGHT, SCALE = 480, 432, 60, 1.6
CHARGER: Final = "SPACE-21"
MONTH: Final = "2026-01"
SECOND: Final = 1000
CHARGING_FRAMES, CHARGING_SECONDS, CHARGED_MS = 9, 1.1, 4000
"""So many frames while the car charges, for how long each is shown, and what lies between them."""
SETTLED_MS: Final = 700
"""Until the first patch of the stream has come."""
LARGEST: Final = 1_500_000
STEPS: Final = ("card", "car", "statement")
LINE: Final = """\
<body style="margin:0;background:#17202e;color:#fff;font:600 17px system-ui;display:flex;
align-items:center;height:{height}px"><span style="margin:0 14px 0 18px;display:flex;gap:6px">{dots}
</span>{words}</body>"""
DOT: Final = '<i style="width:10px;height:10px;border-radius:5px;background:{colour}"></i>'


class Frame(NamedTuple):
    """What is shown, and for how long."""

    picture: Image.Image
    milliseconds: int


class Film:
    """The frames so far. `step` says which of STEPS it is, `words` what happens there."""

    def __init__(self, page: Page, line: Page) -> None:
        self.page = page
        self._line = line
        self._below = Image.new("RGB", (1, 1))
        self.frames: list[Frame] = []

    def say(self, step: int, words: str) -> None:
        dots = "".join(
            DOT.format(colour="#7fb2ff" if number <= step else "#46536a")
            for number in range(len(STEPS))
        )
        self._line.set_content(LINE.format(height=LINE_HEIGHT, dots=dots, words=words))
        self._below = _taken(self._line)

    def open(self, url: str) -> None:
        self.page.goto(url)
        self.page.wait_for_timeout(SETTLED_MS)

    def take(self, seconds: float) -> None:
        above = _taken(self.page)
        whole = Image.new("RGB", (above.width, above.height + self._below.height))
        whole.paste(above, (0, 0))
        whole.paste(self._below, (0, above.height))
        self.frames.append(Frame(whole, round(seconds * SECOND)))


def _taken(page: Page) -> Image.Image:
    return Image.open(io.BytesIO(page.screenshot())).convert("RGB")


def take_moving(browser: Browser, demo: Demo, path: Path) -> int:
    """Play it and write the picture; return the number of its frames."""
    size = {"viewport": {"width": WIDTH, "height": HEIGHT}, "device_scale_factor": SCALE}
    of_line = {**size, "viewport": {"width": WIDTH, "height": LINE_HEIGHT}}
    with (
        opened(browser, Setting({**size, "color_scheme": "light"})) as (page, _),
        opened(browser, Setting(of_line)) as (line, _),
        _charger(demo) as park,
    ):
        film = Film(page, line)
        _hold_the_card(film, demo, park)
        _charge(film, park)
        _show_the_statement(film, demo)
    _write(film.frames, path)
    return len(film.frames)


@contextmanager
def _charger(demo: Demo) -> Iterator[Api]:
    """A charger that nobody else uses, and its simulator's API."""
    (port,) = re.findall(r" serving port=(\d+) ", demo.log)
    demo.ask("POST", "admin", "chargers", id=CHARGER, name="Space 21")
    with (
        tempfile.TemporaryDirectory() as folder,
        controlled(int(port), Path(folder), SPEED) as url,
    ):
        park = Api(url, Sought("simulator", "start it"))
        park.ask("POST", "chargers", given={"id": CHARGER, "auto_connect": True})
        wait_until(lambda: demo.ask("GET", "admin", "chargers", CHARGER)["last_boot_at"])
        wait_until(lambda: _is_limited(demo))
        demo.ask("POST", "admin", "load", "chargers", "release", charger=CHARGER)
        wait_until(lambda: not _is_limited(demo))
        park.ask(
            "PUT",
            *("chargers", CHARGER, "configuration", "MeterValueSampleInterval"),
            given={"value": str(SPEED)},
        )
        yield park


def _is_limited(demo: Demo) -> bool:
    limited = demo.ask("GET", "load", "chargers")["data"]
    return any(one["charger"] == CHARGER for one in limited)


def _hold_the_card(film: Film, demo: Demo, park: Api) -> None:
    film.say(0, "Anna comes home. This is her phone.")
    film.open(f"{demo.drivers}/d/")
    film.take(2.0)
    film.say(0, "She plugs in and holds her card there.")
    film.take(2.0)
    park.ask("POST", "chargers", CHARGER, "plug", given={})
    park.ask("POST", "chargers", CHARGER, "tag", given={"tag": NEIGHBOUR.tag})
    film.page.get_by_text("Your car is at Space 21").wait_for()
    film.take(2.0)


def _charge(film: Film, park: Api) -> None:
    film.say(1, "The car charges. She sees the price.")
    for _ in range(CHARGING_FRAMES):
        film.page.wait_for_timeout(CHARGED_MS)
        film.take(CHARGING_SECONDS)
    film.say(1, "Her card again: the session ends.")
    park.ask("POST", "chargers", CHARGER, "tag", given={"tag": NEIGHBOUR.tag})
    park.ask("POST", "chargers", CHARGER, "unplug", given={})
    film.page.get_by_text("None of your cars is in a session").wait_for()
    film.open(film.page.url)
    film.take(3.0)


def _show_the_statement(film: Film, demo: Demo) -> None:
    drafts = demo.ask("GET", "admin", "drafts", MONTH)["data"]
    (number,) = (one["id"] for one in drafts if one["name"] == NEIGHBOUR.name)
    film.say(2, "The statement of her month so far")
    film.open(f"{demo.dashboard}/bills/{MONTH}/draft/{number}")
    film.take(3.0)
    film.say(2, "has this session as its last line.")
    film.page.get_by_text("Space 21").last.evaluate("it => it.scrollIntoView({block: 'center'})")
    film.take(3.5)
    film.say(2, "It opens the session, with its proof.")
    film.page.get_by_role("link", name=re.compile("^15 Jan")).last.click()
    film.page.wait_for_timeout(SETTLED_MS)
    film.take(2.0)
    film.page.get_by_role("heading", name="Power and register").evaluate(
        "it => it.scrollIntoView()"
    )
    film.take(3.0)


def _write(frames: list[Frame], path: Path) -> None:
    first, *others = (frame.picture for frame in frames)
    first.save(
        path,
        save_all=True,
        append_images=others,
        duration=[frame.milliseconds for frame in frames],
        loop=0,
        lossless=True,
        method=6,
    )
    size = path.stat().st_size
    assert size <= LARGEST, size

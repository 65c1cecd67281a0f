"""Pictures of every page of the demo: `python -m tests.tools.screenshots`.

Each page is shown on a laptop and on a phone, light and dark. `--readme` takes those of them that
README.md shows, `--moving` the one that moves (moving.py).
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from PIL import Image
from playwright.sync_api import Browser

from levity_trio.demo.house import HOUSEHOLDS, LABELLED, charger_id
from tests.browser.chromium import PHONE, WIDE, Setting, launched, opened
from tests.browser.furnished import IMPORTED
from tests.browser.pages import PAGES, SCHEMES, fill_in, reader_of
from tests.demo.running import Demo, running_demo
from tests.tools.moving import take_moving

WIDTHS: Final[Mapping[str, Mapping[str, Any]]] = {
    "wide": {"viewport": WIDE},
    "narrow": {"viewport": PHONE, "is_mobile": True, "has_touch": True},
}
OF_README: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "now": ("/", {"viewport": WIDE}),
    "phone": ("/", WIDTHS["narrow"]),
    "session": ("/sessions/{id}", {"viewport": {"width": 1280, "height": 1360}}),
    "statement": ("/statements/{number}", {"viewport": WIDE}),
}
"""Page and window of each picture in README.md, by the name of its file."""
MOVING: Final = "card-car-statement.webp"
SHOWN: Final = Path(__file__).parents[1] / "screenshots"
COLOURS: Final = 128
"""So many are enough for a page, and make its picture a third as large."""
LIVED_SECONDS: Final = 60.0
"""Until the cars that came first have charged for a while: half an hour of the demo."""
SETTLED_MS: Final = 700
"""Until the first patch of the stream has come."""


def take(browser: Browser, demo: Demo, folder: Path, pages: Sequence[str], *, whole: bool) -> int:
    """Take the pictures and return how many."""
    shown, token = (
        shown_by(demo),
        demo.ask("POST", "admin", "tokens", name="pictures", role="viewer")["token"],
    )
    for path in pages:
        name = re.sub(r"\W+", "-", path).strip("-") or "now"
        base = demo.drivers if reader_of(path) == "driver" else demo.dashboard
        for width, options in WIDTHS.items():
            for scheme in SCHEMES:
                with opened(browser, Setting({**options, "color_scheme": scheme})) as (page, watch):
                    if reader_of(path) == "program":
                        page.context.set_extra_http_headers({"authorization": f"Bearer {token}"})
                    page.goto(base + fill_in(path, shown))
                    page.wait_for_timeout(SETTLED_MS)
                    page.screenshot(path=folder / f"{name}-{width}-{scheme}.png", full_page=whole)
                    for problem in watch.problems:
                        print(f"{path}: {problem}", file=sys.stderr)
    return len(pages) * len(WIDTHS) * len(SCHEMES)


def take_of_readme(browser: Browser, demo: Demo) -> int:
    """Take the pictures of README.md and return how many."""
    shown = shown_by(demo)
    for name, (path, options) in OF_README.items():
        with opened(browser, Setting({**options, "color_scheme": "light"})) as (page, _):
            page.goto(demo.dashboard + fill_in(path, shown))
            page.wait_for_timeout(SETTLED_MS)
            page.screenshot(path=SHOWN / f"{name}.png")
        with Image.open(SHOWN / f"{name}.png") as picture:
            picture.quantize(COLOURS).save(SHOWN / f"{name}.png", optimize=True)
    return len(OF_README)


def shown_by(demo: Demo) -> dict[str, object]:
    """Return what stands in the paths of pages that show one thing, as `fill_in` takes it."""
    month, quiet = "2026-01", charger_id(LABELLED)
    draft = demo.ask("GET", "admin", "drafts", month)["data"][0]["id"]
    doubtful = demo.ask("GET", "admin", "review")["data"][0]["transaction"]["id"]
    group = demo.ask("GET", "admin", "review", "groups")["data"][0]
    sessions = demo.ask("GET", "admin", "accounts", "1", "transactions")["data"]
    ended = next(
        one["transaction"]["id"] for one in sessions if one["transaction"]["stop_time"] is not None
    )
    return {
        "chargers": charger_id(HOUSEHOLDS[1].space),
        "transactions": doubtful,
        "sessions": doubtful,
        "tags": HOUSEHOLDS[0].tag,
        "commands": demo.ask("POST", "admin", "chargers", quiet, "clear-cache")["id"],
        "accounts": 1,
        "tariffs": 1,
        "bills": "2025-12",
        "statements": demo.ask("GET", "admin", "statements")["data"][-1]["number"],
        "meters": demo.ask("POST", "admin", "meters", name="House", class_percent=1.0)["id"],
        "series": demo.ask("POST", "admin", "series", name="Market", currency="EUR")["id"],
        "/bills/{month}/papers": f"/bills/{month}/papers",
        "/bills/{month}/draft/{number}": f"/bills/{month}/draft/{draft}",
        "/review/{charger}/{cause}": f"/review/{group['charger']}/{group['cause']}",
        **dict.fromkeys(("why", "try"), charger_id(HOUSEHOLDS[1].space)),
        "/d/at/{charger}": f"/d/at/{quiet}",
        "/d/at/{charger}/{connector}": f"/d/at/{quiet}/1",
        "/d/sessions/{id}": f"/d/sessions/{ended}",
    }


def main() -> int:
    """Start the demo, take the pictures, and say where they are."""
    parser = argparse.ArgumentParser(prog="python -m tests.tools.screenshots", description=__doc__)
    parser.add_argument(
        "--page", action="append", help="the path of a page, as declared; all unless told"
    )
    parser.add_argument(
        "--whole", action="store_true", help="whole pages, also what is below the screen"
    )
    parser.add_argument(
        "--readme",
        action="store_true",
        help="only those that README.md shows, into tests/screenshots",
    )
    parser.add_argument(
        "--moving",
        action="store_true",
        help="only the moving picture that README.md shows, into tests/screenshots",
    )
    asked = parser.parse_args()
    is_shown = asked.readme or asked.moving
    folder = SHOWN if is_shown else Path(tempfile.mkdtemp(prefix="levity-screenshots-"))
    with launched() as browser, running_demo() as demo:
        if asked.moving:
            print(f"{take_moving(browser, demo, SHOWN / MOVING)} frames in {SHOWN / MOVING}")
            return 0
        time.sleep(LIVED_SECONDS)
        pages = asked.page or [one for one in PAGES if one != IMPORTED]
        count = (
            take_of_readme(browser, demo)
            if asked.readme
            else take(browser, demo, folder, pages, whole=asked.whole)
        )
    print(f"{count} pictures in {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Pictures of every page of a furnished site: `python -m tests.browser.screenshots`.

Each page is shown on a laptop and on a phone, light and dark.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser

from tests.browser.chromium import PHONE, WIDE, Setting, launched, opened
from tests.browser.furnished import peopled_site
from tests.browser.pages import PAGES, SCHEMES, filled, reader_of
from tests.browser.site import Site

WIDTHS: Final[Mapping[str, Mapping[str, Any]]] = {
    "wide": {"viewport": WIDE},
    "narrow": {"viewport": PHONE, "is_mobile": True, "has_touch": True},
}
SETTLED_MS: Final = 700
"""Until the first patch of the stream has come."""


def take(browser: Browser, site: Site, folder: Path, pages: Sequence[str], *, whole: bool) -> int:
    """Take the pictures and return how many."""
    for path in pages:
        name = re.sub(r"\W+", "-", path).strip("-") or "now"
        for width, options in WIDTHS.items():
            for scheme in SCHEMES:
                with opened(browser, Setting({**options, "color_scheme": scheme})) as (page, watch):
                    site.lend(page, reader_of(path))
                    page.goto(site.url + filled(path, site))
                    page.wait_for_timeout(SETTLED_MS)
                    page.screenshot(path=folder / f"{name}-{width}-{scheme}.png", full_page=whole)
                    for problem in watch.problems:
                        print(f"{path}: {problem}", file=sys.stderr)
    return len(pages) * len(WIDTHS) * len(SCHEMES)


def main() -> int:
    """Furnish a site, take the pictures, and say where they are."""
    parser = argparse.ArgumentParser(prog="python -m tests.browser.screenshots", description=__doc__)
    parser.add_argument("--page", action="append", help="the path of a page, as declared; all unless told")
    parser.add_argument("--whole", action="store_true", help="whole pages, also what is below the screen")
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="levity-screenshots-"))
    with tempfile.TemporaryDirectory() as home, launched() as browser, peopled_site(Path(home)) as site:
        count = take(browser, site, folder, asked.page or PAGES, whole=asked.whole)
    print(f"{count} pictures in {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Pages in which something goes wrong, to show that a story notices it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from playwright.sync_api import Page

from tests.browser import checks
from tests.browser.chromium import seen
from tests.browser.site import Site

HEAD = (
    "<!doctype html><html lang=en><meta name=viewport "
    "content='width=device-width'><title>Faulty</title>"
)
WORDS = "These words are so many that they need the whole of their line. "
REACHED = """<style>.far{position:relative}.far::after{content:"";position:absolute;inset:-16px -30px}</style>
<p style="padding:40px"><a class=far href=/>!</a></p>"""  # noqa: E501
"""It is small, but its surroundings belong to it."""
PAGES = {
    "sound": f"<main><h1>Sound</h1>{WORDS}<a href=/>This one stands in a text.</a>{REACHED}</main>",
    "logs": "<main><h1>Logs</h1><script>console.error('it went wrong')</script></main>",
    "throws": "<main><h1>Throws</h1><script>nothing.at.all</script></main>",
    "foreign": "<main><h1>Foreign</h1><img alt='' src='http://nowhere.invalid/x.png'></main>",
    "missing": "<main><h1>Missing</h1><img alt='' src=/nowhere></main>",
    "wide": "<main><h1>Wide</h1><pre>" + 200 * "x" + "</pre></main>",
    "small": f"<main><h1>Small</h1>{WORDS}<button>x</button></main>",
    "jumping": f"<main><h1 id=one>Jumping</h1>{WORDS}</main><script>setTimeout(() => "
    "one.insertAdjacentHTML('beforebegin', '<p style=height:500px></p>'), 300)</script>",
    "scripted": f"<main id=all><h1>Scripted</h1>{WORDS}</main>"
    "<script>all.insertAdjacentHTML('beforeend', '<h2>More</h2>')</script>",
    "unwritten": f"<main id=all><h1>Unwritten</h1></main><script>all.append({WORDS!r})</script>",
    "hidden-tab": (
        f"<main><h1>Tabs</h1>{WORDS}<div style='overflow:hidden' class=tabs><b "
        "style='margin-left:400px' aria-current=page>Last</b></div></main>"
    ),
    "scrolling": f"<main><h1>Scrolling</h1><div style='overflow:auto'>{WORDS}</div></main>",
    "nameless": (
        f"<main><h1>Nameless</h1>{WORDS}<button style='width:50px;height:50px'></button></main>"
    ),
    "grey": (
        "<main style='background:#fff'><h1>Grey</h1><p style='color:#ccc'>Who can read "
        "this?</p></main>"
    ),
    "policy": "<main><h1>Policy</h1><p style='color:red'>Red</p></main>",
}


class Handler(BaseHTTPRequestHandler):
    """Serves the pages."""

    def do_GET(self) -> None:
        name = self.path.strip("/")
        body = PAGES.get(name)
        self.send_response(204 if name == "favicon.ico" else 200 if body else 404)
        self.send_header("Content-Type", "text/html;charset=utf-8")
        if name == "policy":
            self.send_header("Content-Security-Policy", "default-src 'none'")
        self.end_headers()
        self.wfile.write((HEAD + body).encode() if body else b"")

    def log_message(self, *words: object) -> None:
        """Say nothing."""


class Faulty(Site):
    """These pages instead of a server."""

    address = ""

    @property
    def url(self) -> str:
        return self.address


@contextmanager
def open_site(folder: Path) -> Iterator[Site]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        site = Faulty(folder)
        site.address = f"http://127.0.0.1:{server.server_port}"
        yield site
        server.shutdown()
        serving.join()


def opens(page: Page, site: Site, path: str) -> None:
    page.goto(site.url + path)
    page.wait_for_load_state("networkidle")


@seen(expected=("it went wrong",))
def opens_as_expected(page: Page, site: Site, path: str) -> None:
    opens(page, site, path)


is_for_everybody = checks.is_for_everybody

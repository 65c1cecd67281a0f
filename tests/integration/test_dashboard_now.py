"""The page Now of a running server: from the empty start to the first charger, without a reload."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

from tests.integration.browsing import Browser
from tests.integration.charger import Charger
from tests.integration.serving import Serving, serving

SECONDS = 30.0


@contextmanager
def stream(server: Serving, path: str = "/live/") -> Iterator[Iterator[Mapping[str, str]]]:
    """The patches of a live page, as its script gets them."""
    address = urlsplit(str(server.wait_line("serving the operator API")["address"]))
    with closing(HTTPConnection(address.hostname or "", address.port or 80, timeout=SECONDS)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield (json.loads(line.removeprefix(b"data: ")) for line in answer if line.startswith(b"data: "))


def test_the_first_charger_appears_by_itself(tmp_path: Path) -> None:
    with serving(tmp_path / "site.db") as server:
        page = Browser(server).get("/")
        assert f"ws://127.0.0.1:{server.port}/ws/CHARGER-ID" in page.words
        assert "data-live" in next(given for tag, given in page.tags if tag == "main")
        with stream(server) as patches:
            assert "Connect the first charger" in next(patches)["start"]
            with Charger(server.port, "CP-1") as charger:
                charger.boot()
                shown = next(patch for patch in patches if "charger-CP-1" in patch)
                assert "<strong>CP-1</strong> is connected" in shown["start"]
                charger.call("StatusNotification", connectorId=1, status="Preparing", errorCode="NoError")
                assert any("Cable in" in patch.get("charger-CP-1", "") for patch in patches)
                assert "Cable in" in Browser(server).get("/").words


def test_a_newcomer_is_adopted_on_the_page(tmp_path: Path) -> None:
    with serving(tmp_path / "site.db", "--registration", "ask") as server, Charger(server.port, "CP-1") as charger:
        assert charger.boot()["status"] == "Pending"
        browser = Browser(server)
        page = browser.get("/")
        page = browser.send(page.form("Adopt CP-1"))
        assert "CP-1 is adopted" in page.words
        assert server.query("SELECT registration FROM cp WHERE id = 'CP-1'") == [("adopted",)]

"""Sessions over HTTP: the file behind its link, and decisions by forms that lead back to the session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.browsing import Browser
from tests.integration.serving import Serving, serving
from tests.store.books import Books, Station
from tests.store.owning import House
from tests.store.template import new_database


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Serving]:
    """A site with one doubtful session of nobody, and the household of Anna."""
    database = tmp_path / "site.db"
    with new_database(database) as connection:
        books = Books(connection)
        House(books)
        station = Station(books)
        number = station.start(1000, tag="=1+1")
        books.wait(30)
        station.stop(number, 900_000)
        station.lose()
    with serving(database) as running:
        yield running


def test_a_session_is_found_settled_and_given_away(server: Serving) -> None:
    browser = Browser(server)
    (path,) = {one for one in browser.get("/sessions", review="true").links if one.startswith("/sessions/")}
    shown = browser.get(path)
    (correct,) = [one for one in shown.links if "/correct?" in one]
    shown = browser.send(browser.get(correct).form("/correct"), figure_wh="4,0", reason="read from its display")
    assert (shown.status, shown.path) == (200, path)
    assert "4.00 kWh" in shown.words
    assert "In doubt" not in shown.words
    (give,) = [one for one in shown.links if "/give?" in one]
    shown = browser.send(browser.get(give).form("/give"), account="1", reason="a guest of hers")
    assert "Anna · CP-1" in shown.words
    (back,) = [one for one in shown.links if "/take-back?" in one]
    shown = browser.send(browser.get(back).form("/take-back"), reason="it was another guest")
    assert "Anna · CP-1" not in shown.words


def test_the_file_of_what_is_listed(server: Serving) -> None:
    browser = Browser(server)
    (link,) = [one for one in browser.get("/sessions", tag="=1+1").links if one.startswith("/get/")]
    file = browser.get(link)
    assert file.headers["content-type"].startswith("text/csv")
    _, row = file.html.splitlines()
    assert ",'=1+1,2026-03-01T" in row  # no formula in a spreadsheet
    (link,) = [one for one in browser.get("/sessions", tag="other").links if one.startswith("/get/")]
    assert len(browser.get(link).html.splitlines()) == 1

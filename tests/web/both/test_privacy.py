"""What readers do not see: a viewer no number of a card, wherever he looks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import trio

from levity_trio.access import user_passwords
from levity_trio.documents import printing
from levity_trio.store.engine.file_store import open_database
from levity_trio.web.api.engine.endpoints import Role
from levity_trio.web.api.listeners import ENDPOINTS
from tests.browser.past import write_past
from tests.web.both.changes import Life, live
from tests.web.both.questions import ENDLESS, Asking
from tests.web.both.server import make_documents_here, open_server
from tests.web.both.test_same_answers import MOMENT, shown_of
from tests.web.stores import Stored

CARDS = "SELECT id_tag FROM tag UNION SELECT id_tag FROM tx UNION SELECT stop_id_tag FROM tx"


def test_a_viewer_sees_no_number_of_a_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """He asks every GET of the API that he may, also as a file, and opens every page, with its
    links."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("levity_trio.charger.connection.address_of", lambda _: "memory")
    monkeypatch.setattr(user_passwords, "SCRYPT_N", 2)
    monkeypatch.setattr(printing, "_run", make_documents_here)
    past = write_past(tmp_path / "site.db", MOMENT)

    async def look(stored: Stored) -> Asking:
        async with open_server(stored, MOMENT) as server:
            life = Life(server)
            await live(life)
            asking = Asking(server, shown_of(past) | life.shown)
            for endpoint in ENDPOINTS:
                if (
                    endpoint.method == "GET"
                    and endpoint.role is Role.VIEWER
                    and endpoint.path != ENDLESS
                ):
                    await asking.as_viewer(endpoint)
            await asking.look_around("Vera", Role.VIEWER)
            return asking

    with open_database(tmp_path / "site.db") as file:
        answers = trio.run(look, Stored(file, tmp_path / "site.db")).answers
        cards = {card for (card,) in file.execute(CARDS).fetchall() if card}
    assert sum(b"***" in body for _, body in answers.values()) > 10
    seen = {
        (asked, card)
        for asked, (_, body) in answers.items()
        for card in cards
        if re.search(rb"\b%s\b" % re.escape(card.encode()), body)
        and card not in asked  # cursors have letters, too
    }
    assert not seen

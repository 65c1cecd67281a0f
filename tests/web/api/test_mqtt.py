"""The broker of MQTT over the API."""

from __future__ import annotations

import pytest

from levity_trio.store.writes.site import receivers as writes
from levity_trio.web.api.engine.endpoints import Role
from levity_trio.web.api.engine.problems import Problem
from levity_trio.web.api.site import receivers
from tests.web.api.conftest import Site

STATE, REPLAY = (one for one in receivers.ENDPOINTS if one.group == "mqtt")


async def test_a_site_without_it_says_so(site: Site) -> None:
    with pytest.raises(Problem, match="start the server with --mqtt"):
        await site.call(STATE)
    with pytest.raises(Problem, match="start the server with --mqtt") as caught:
        await site.call(REPLAY, body={"since": "2026-03-01"})
    assert caught.value.status == 409


async def test_the_state_is_for_viewers(site: Site) -> None:
    books = site.books
    books.run(writes.note_broker_link, False, books.at, "house:1883", "Connection refused")
    assert await site.call(STATE, role=Role.VIEWER) == {
        "broker": "house:1883",
        "is_connected": False,
        "since": books.at,
        "problem": "Connection refused",
        "waiting": 0,
        "waiting_since": None,
        "moved_at": books.at,
    }


async def test_a_replay_counts_what_is_sent_again(site: Site) -> None:
    books = site.books
    books.run(writes.begin_mqtt, books.at)
    newest = int(books.value("SELECT max(id) FROM event"))
    assert await site.call(REPLAY, body={"since": "2026-01-01"}) == {
        "facts": newest,
        "is_pruned": False,
    }
    assert books.value("SELECT position FROM mqtt") == 0
    assert (await site.call(STATE))["waiting"] == newest + 1  # the replay is a fact too


async def test_the_future_is_not_replayed(site: Site) -> None:
    site.books.run(writes.begin_mqtt, site.books.at)
    with pytest.raises(Problem, match="in the future") as caught:
        await site.call(REPLAY, body={"since": "2199-01-01"})
    assert (caught.value.status, caught.value.members["field"]) == (422, "since")

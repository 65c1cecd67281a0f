"""What is set in the browser, with what is given elsewhere; and when a copy of the night is due."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import trio

from levity_trio.config import ServerConfig
from levity_trio.config.sources import load
from levity_trio.store.upkeep import following
from levity_trio.store.upkeep.following import LiveConfig, open_live
from levity_trio.store.upkeep.nightly import night_after

BERLIN = ZoneInfo("Europe/Berlin")


def rows(live: LiveConfig) -> dict[str, tuple[str | None, str, bool]]:
    return {row.name: (row.text, row.origin, row.is_lost) for row in live.now.in_force}


def test_what_is_given_elsewhere_wins() -> None:
    config, _ = load({}, {"LEVITY_NTFY": "https://ntfy.example.org", "LEVITY_BACKUP_KEEP": "3"})
    live = LiveConfig(config)
    live.take({"ntfy": "https://other.example.org", "backup-keep": "9", "backup-folder": "/stick"})
    assert live.now.ntfy == "https://ntfy.example.org"
    assert (live.now.backup_folder, live.now.backup_keep) == (Path("/stick"), 3)
    assert rows(live)["backup-folder"] == ("/stick", "browser", False)
    assert rows(live)["ntfy"][1:] == ("environment", False)


def test_what_cannot_be_read_is_off_and_lost() -> None:
    live = LiveConfig(ServerConfig(ntfy="https://ntfy.example.org"))
    live.take({"ping-url": None, "backup-folder": "no path", "mail-from": "haus@example.org"})
    assert (live.now.ping_url, live.now.backup_folder) == (None, None)
    assert rows(live)["ping-url"] == (None, "browser", True)
    assert rows(live)["backup-folder"] == (None, "browser", True)
    assert live.now.mail_from == "haus@example.org"
    live.take({})
    assert rows(live)["ping-url"] == (None, "default", False)


async def test_who_waits_is_woken_by_a_change_only() -> None:
    live = LiveConfig(ServerConfig())
    changed = live.changed
    live.take({})
    assert not changed.is_set()
    live.take({"ping-url": "https://hc-ping.com/uuid"})
    assert changed.is_set()
    assert not live.changed.is_set()


async def test_what_another_server_sets_holds_here_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "SETTINGS_SECONDS", 0.01)
    stored: dict[str, str | None] = {}

    async def read() -> Mapping[str, str | None]:
        await trio.lowlevel.checkpoint()
        return dict(stored)

    live = LiveConfig(ServerConfig())
    with trio.fail_after(30):
        async with open_live(live, read, is_alone=False):
            changed = live.changed
            stored["ping-url"] = "https://hc-ping.com/uuid"
            await changed.wait()
    assert live.now.ping_url == "https://hc-ping.com/uuid"


@pytest.mark.parametrize(
    ("last", "due"),
    [
        ("2026-03-01T00:00+00:00", "2026-03-01T02:30+01:00"),
        ("2026-03-01T01:29+00:00", "2026-03-01T02:30+01:00"),
        ("2026-03-01T01:30+00:00", "2026-03-02T02:30+01:00"),
        ("2026-03-28T22:00+00:00", "2026-03-29T03:30+02:00"),  # at 02:30 there is no such time
        ("2026-10-25T00:30+00:00", "2026-10-26T02:30+01:00"),
    ],
)
def test_the_night_after_a_copy(last: str, due: str) -> None:
    found = night_after(datetime.fromisoformat(last), BERLIN)
    assert found.timestamp() == datetime.fromisoformat(due).timestamp()

"""A house on SQLite and the same one on PostgreSQL: whatever is asked or told, both answer and
store the same."""

from __future__ import annotations

import random
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from math import inf
from pathlib import Path
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import pytest
import trio
from structlog.testing import capture_logs

from levity_trio.access import user_passwords
from levity_trio.cli import main
from levity_trio.config.settings import DatabaseAddress
from levity_trio.documents import printing
from levity_trio.store.engine.file_store import open_database
from levity_trio.web.api.engine import endpoints
from levity_trio.web.api.engine.endpoints import Endpoint
from levity_trio.web.api.listeners import ENDPOINTS
from levity_trio.web.dashboard.pages import PAGES
from tests.browser.past import HOUSEHOLDS, QUIET, Past, write_past
from tests.postgresql import new_database
from tests.sizes import size
from tests.web.both.changes import Life, Told, live
from tests.web.both.copying import at_the_edges, columns, copy, tables
from tests.web.both.questions import ENDLESS, Asking
from tests.web.both.server import make_documents_here, open_server
from tests.web.stores import Stored

pytestmark = pytest.mark.night

MOMENT: Final = datetime(2026, 3, 18, 18, 0, tzinfo=UTC)
NOT_ASKED: Final = {
    "POST /api/admin/drain": "it ends all connections; see tests/integration/test_servers.py",
    "POST /api/admin/webhooks/{id}/test": "it sends to a server outside; see tests/web/webhooks",
    "POST /api/admin/backends/{id}/test": (
        "it dials a server outside; see tests/integration/test_backends_shell.py"
    ),
    "POST /api/me/password": "it belongs to a log-in; see test_logins.py",
    "POST /api/admin/chargers/{id}/local-lists/resume": (
        "it needs --local-list on; see tests/store/test_lists.py"
    ),
    **dict.fromkeys(
        (
            "POST /api/admin/certificates",
            "POST /api/admin/certificates/{id}/revoke",
            "POST /api/admin/certificate-requests/{id}/allow",
            "POST /api/admin/chargers/{id}/certificate-signed",
            "POST /api/admin/chargers/{id}/install-certificate",
            "POST /api/admin/chargers/{id}/delete-certificate",
            "POST /api/admin/chargers/{id}/signed-update-firmware",
        ),
        (
            "keys are random, and their requests only pass on what they are given; see "
            "tests/store/test_certificates.py"
        ),
    ),
    **dict.fromkeys(
        (
            "POST /api/admin/chargers/{id}/security-profile",
            "DELETE /api/admin/chargers/{id}/security-profile",
        ),
        "it needs TLS; see tests/store/test_securing.py",
    ),
    **dict.fromkeys(
        (
            "PUT /api/admin/own-settings/mail",
            "PUT /api/admin/own-settings/push",
            "PUT /api/admin/own-settings/ping",
            "PUT /api/admin/own-settings/backup",
            "DELETE /api/admin/own-settings/{way}",
        ),
        "they go to servers and folders outside; see tests/integration/test_own_settings.py",
    ),
    "POST /api/admin/chargers/{id}/remote-stop": (
        "a command like the others; see tests/store/test_commands.py"
    ),
    "POST /api/admin/closings/{month}/supplements": (
        "its papers lack nothing; see tests/web/dashboard/test_supplements.py, on both stores"
    ),
}
"""Requests that are not made here, and why."""
NOT_SEEN: Final = {
    **dict.fromkeys(
        ("/api/admin/statements/{number}/supplement", "/api/me/statements/{number}/supplement"),
        "nothing was added to papers; see tests/web/dashboard/test_supplements.py, on both stores",
    ),
    "/api/admin/certificate-authority": "there is none: it needs a folder of keys",
    "/api/admin/pages-certificate": "there is none either",
    "/api/admin/pages-certificate/root": "there is none either",
    "/api/admin/mqtt": "no broker was ever used; see tests/web/api/test_mqtt.py",
    "/api/me/commands/{id}": (
        "a driver's command needs a charger that charges; see tests/web/api/test_driving.py"
    ),
    "/api/me/transactions/{id}/price-limit": (
        "the session whose car waited is over; see tests/web/api/test_price_limits.py"
    ),
    "/api/me/chargers/{id}/prices": (
        "no price moves; see tests/web/dashboard/test_moving_prices.py"
    ),
    "/api/admin/chargers/{id}/security-profile": (
        "no charger changes its profile; see tests/store/test_securing.py"
    ),
}
"""Lists that refuse everybody here, and why."""
OF_THE_STORE: Final = re.compile(r"\w+ /(api/)?system\b")
"""What shows the store itself, and the memory of the process."""
OK: Final = 200
RANDOM: Final = re.compile(r"\b[0-9a-f]{16}\b|sealed:[\w=-]+")
"""Ids of messages and requests, and encrypted secrets. They are random, and which task is first
depends on time."""
COMMANDS: Final = (
    ("logs", "--json"),
    ("logs", QUIET, "--action", "bootnotification", "--since", "2026-01-01"),
    ("recheck", "--json"),
    ("recheck",),
)
"""Commands that read a database themselves."""
WITH_GAPS: Final = {"evidence": "id", "to_book": "revision"}
"""Ids that nobody is told: those that a failed attempt took are not given out again on
PostgreSQL."""


class Outcome(NamedTuple):
    """What a store was told and asked, with its answers, and its tables in the end."""

    told: list[Told]
    answers: dict[str, tuple[int, bytes]]
    rows: dict[str, list[str]]
    address: DatabaseAddress
    shown: Mapping[str, Any]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Outcome, Outcome]]:
    """What SQLite and PostgreSQL made of it. The second is asked what the first was."""
    folder = tmp_path_factory.mktemp("house")
    with pytest.MonkeyPatch.context() as patch, capture_logs() as lines:
        patch.chdir(folder)  # the server on PostgreSQL has its files there
        patch.setattr("levity_trio.charger.connection.address_of", lambda _: "memory")
        patch.setattr(user_passwords, "SCRYPT_N", 2)
        patch.setattr(user_passwords, "SCRYPT_P", 1)
        # on a busy machine, one store would record refusals of more minutes
        patch.setattr(endpoints, "MINUTE", inf)
        past = write_past(folder / "site.db", MOMENT)
        (
            folder / ".site.db-litestream"
        ).mkdir()  # nobody need be told of a backup, as on PostgreSQL
        with closing(new_database()) as connection:
            copy(folder / "site.db", connection)
            with open_database(folder / "site.db") as file:
                with pytest.MonkeyPatch.context() as here:
                    here.setattr(printing, "_run", make_documents_here)
                    patch.setattr(random, "_urandom", random.Random(1).randbytes)
                    first = _lived(Stored(file, folder / "site.db"), past, file)
                    patch.setattr(random, "_urandom", random.Random(1).randbytes)
                    second = _lived(Stored(connection, connection.address), past, file, first)
                yield first, second
    assert not [line for line in lines if line["log_level"] in ("error", "critical")]


def _lived(
    stored: Stored, past: Past, file: sqlite3.Connection, before: Outcome | None = None
) -> Outcome:
    life, answers = trio.run(partial(_live, stored, past, before))
    return Outcome(
        life.told,
        answers,
        dict(_rows(stored.connection, file)),
        stored.address,
        shown_of(past) | life.shown,
    )


async def _live(
    stored: Stored, past: Past, before: Outcome | None
) -> tuple[Life, dict[str, tuple[int, bytes]]]:
    async with open_server(stored, MOMENT) as server:
        life = Life(server)
        await live(life)
        asking = Asking(server, shown_of(past) | life.shown)
        if before is None:
            await asking.api()
            await asking.pages()
        else:
            await asking.again(before.answers)
        return life, asking.answers


def _rows(connection: Any, file: sqlite3.Connection) -> Iterator[tuple[str, list[str]]]:
    """Yield each table with its rows, as text."""
    for table in tables(file):
        names = [name for name in columns(file, table) if name != WITH_GAPS.get(table)]
        found = connection.execute(f"SELECT {', '.join(names)} FROM {table}").fetchall()
        yield table, sorted(RANDOM.sub("…", repr(tuple(row))) for row in found)


def shown_of(past: Past) -> dict[str, Any]:
    """Return what stands in paths, by the word before it."""
    draft, session = "2026-03/statements/100", past.doubtful
    return {
        **dict.fromkeys(("bills", "months", "closings", "reconciliations"), "2026-02"),
        **dict.fromkeys(("transactions", "sessions"), session),
        "chargers": HOUSEHOLDS[0].charger,
        "drafts": "2026-03",
        "statements": 1,
        **dict.fromkeys(("year", "years"), 2026),
        "wallets": 2,
        **dict.fromkeys(("id-tags", "id-tag-limits", "id-tag-use"), HOUSEHOLDS[0].tag),
        "/api/admin/accounts/{id}/personal": "/api/admin/accounts/8/personal",
        "/api/admin/drafts/{month}/statements/{id}": f"/api/admin/drafts/{draft}",
        "/api/admin/drafts/{month}/statements/{id}/document": f"/api/admin/drafts/{draft}/document",
        "/bills/{month}/papers": "/bills/2026-03/papers",
        "/bills/{month}/draft/{number}": "/bills/2026-03/draft/100",
        **dict.fromkeys(("why", "try"), HOUSEHOLDS[0].charger),
        "/d/at/{charger}": f"/d/at/{HOUSEHOLDS[0].charger}",
        "/d/at/{charger}/{connector}": f"/d/at/{QUIET}/1",
    }


def test_changes_are_answered_the_same(both: tuple[Outcome, Outcome]) -> None:
    on_sqlite, on_postgresql = (RANDOM.sub("…", repr(one.told)) for one in both)
    assert on_sqlite == on_postgresql


def test_the_same_is_stored(both: tuple[Outcome, Outcome]) -> None:
    on_sqlite, on_postgresql = (one.rows for one in both)
    for table, rows in on_sqlite.items():
        assert rows == on_postgresql[table], table


def test_the_same_is_read(both: tuple[Outcome, Outcome]) -> None:
    on_sqlite, on_postgresql = (one.answers for one in both)
    assert on_sqlite.keys() == on_postgresql.keys()
    for asked, (status, body) in on_sqlite.items():
        assert on_postgresql[asked][0] == status, asked
        if not OF_THE_STORE.match(asked):
            texts = [
                RANDOM.sub("…", one.decode("latin-1")) for one in (body, on_postgresql[asked][1])
            ]
            assert texts[0] == texts[1], asked


def test_the_page_of_the_system_says_who_saves_it(both: tuple[Outcome, Outcome]) -> None:
    on_sqlite, on_postgresql = (
        [
            body
            for asked, (status, body) in one.answers.items()
            if asked.endswith(" /system") and status == OK
        ]
        for one in both
    )
    assert on_sqlite
    assert all(b"Litestream copies it" in body for body in on_sqlite)
    assert len(on_postgresql) == len(on_sqlite)
    assert all(b"by PostgreSQL's own tools" in body for body in on_postgresql)
    assert not any(b"Litestream" in body for body in on_postgresql)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_commands_read_the_same(
    both: tuple[Outcome, Outcome], command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    found = []
    for one in both:
        status = main([*command, "--db", str(one.address)])
        shown = capsys.readouterr()
        found.append((status, RANDOM.sub("…", shown.out), shown.err))
    assert found[0] == found[1]
    assert found[0][:2] != (0, "")


def test_nothing_fails(both: tuple[Outcome, Outcome]) -> None:
    assert not [
        asked for one in both for asked, (status, _) in one.answers.items() if status >= 500
    ]


@pytest.mark.parametrize("zone", ["Pacific/Auckland", "America/Los_Angeles"][: size(2, 1)])
def test_every_time_that_a_database_can_hold_is_shown(
    both: tuple[Outcome, Outcome], zone: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last and the first time of the calendar in every column, east and west of UTC."""
    monkeypatch.setattr("levity_trio.charger.connection.address_of", lambda _: "memory")
    path = tmp_path / "site.db"
    with closing(sqlite3.connect(both[0].address)) as old, closing(sqlite3.connect(path)) as new:
        old.backup(new)
    at_the_edges(path, len(zone))

    async def ask(file: sqlite3.Connection) -> dict[str, tuple[int, bytes]]:
        async with open_server(Stored(file, path), MOMENT, ZoneInfo(zone)) as server:
            asking = Asking(server, both[0].shown)
            await asking.briefly()
            return asking.answers

    with open_database(path) as file, capture_logs() as lines:
        answers = trio.run(ask, file)
    assert not [asked for asked, (status, _) in answers.items() if status >= 500]
    assert not [line for line in lines if line["log_level"] in ("error", "critical")]
    assert sum(status == OK for status, _ in answers.values()) > len(answers) * 0.9


def _pattern(endpoint: Endpoint) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{\w+\}", "[^/]+", endpoint.path))


def test_every_change_is_made(both: tuple[Outcome, Outcome]) -> None:
    done = [(one.method, one.path) for one in both[0].told]
    missing = {
        f"{one.method} {one.path}"
        for one in ENDPOINTS
        if one.changes
        and not any(one.method == method and _pattern(one).fullmatch(path) for method, path in done)
    }
    assert missing == NOT_ASKED.keys()


def test_every_page_and_list_has_an_answer(both: tuple[Outcome, Outcome]) -> None:
    """At least one reader sees each, so that no comparison is one of two refusals."""
    seen = {
        asked.split(" ", 2)[1].partition("?")[0]
        for asked, (status, _) in both[0].answers.items()
        if status == 200
    }
    reads = [one for one in ENDPOINTS if one.method == "GET" and one.path != ENDLESS]
    unseen = {one.path for one in reads if not any(_pattern(one).fullmatch(path) for path in seen)}
    assert unseen == NOT_SEEN.keys()
    assert {
        one.path for one in PAGES if not any(_page(one.path).fullmatch(path) for path in seen)
    } == set()


def _page(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{\w+(?::path)?\}", "[^/]+", path))

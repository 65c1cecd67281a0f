"""The simulated month, billed: chargers with every quirk, six households, and what their statements
must say.

What each of them owes is found once more, from the simulator's own ledger alone: see `owed`. In CI
some hours stand for the month; `just bill-month` runs all of it (MONTH_HOURS=720).
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest

from levity_trio.billing.examples import DAY_AND_NIGHT, FLAT
from levity_trio.client import Refusal
from levity_trio.clock import SimulatedTime
from levity_trio.simulator.ledger import START, STOP, Entry, Ledger, read_ledger
from levity_trio.simulator.quirks import QUIRKS, profiles
from levity_trio.store.engine.file_store import open_database
from levity_trio.wire.times import stamp
from tests.integration.foreign import api_of
from tests.integration.serving import Serving, query, serving
from tests.integration.simulating import RUN_SECONDS, simulate

pytestmark = pytest.mark.night

LIARS: Final = {
    name: f"SIM-{number:03}"
    for number, (name, quirk) in enumerate(QUIRKS.items(), 1)
    if quirk.__module__ != profiles.__name__
}
"""One charger for each quirk of sessions; those of profiles show nothing here, because nobody sends
a profile."""
HOURS: Final = int(os.environ.get("MONTH_HOURS", "12"))
SPEED: Final = 300 if HOURS < 48 else 4000
"""What waits for a second on a busy machine is five minutes late; so is a clock that is set by an
answer."""
BERLIN: Final = ZoneInfo("Europe/Berlin")
MONTH: Final = date(datetime.now(UTC).year + 5, 3, 1)
"""It has a clock change. It is in the future, because a simulated clock runs ahead of the
machine's."""
NEXT, LAST = (date(MONTH.year, month, 1) for month in (4, 5))
FLAT_ONES, WITH_WINDOWS = (1, 3, 5), (2, 4, 6)
WANDERING, STRANGER = "HAND-OVER", "GUEST"
CENTS_A_KWH: Final = 32
FREE_BELOW_WH: Final = 100
SEAMS: Final = (6, 22)
"""Hours at which day and night begin."""
NEARLY: Final = timedelta(minutes=10)
"""A charger's clock is set by answers, which take minutes of simulated time where the machine is
busy."""
SCENARIO: Final = """
title = "Each charger lies in one way of its own"
hours = {hours}
chargers = {chargers}
sessions-per-day = {a_day}
stay-hours = [0.6, {longest}]
quirks = "each"
tags = [{tags}]

[configuration]
AllowOfflineTxForUnknownId = true
MeterValueSampleInterval = 600

[outages]
per-day = {outages}
minutes = [20, 90]
"""


def tags_of(account: int) -> tuple[str, str]:
    return f"HOUSE-{account}-A", f"house-{account}-b"


def midnight(day: date) -> datetime:
    return datetime.combine(day, datetime.min.time(), BERLIN)


def begin() -> datetime:
    """When the simulation begins: hours of it are before the month, or it spans the night of the
    clock change."""
    if HOURS > 24 * 7:
        return midnight(MONTH) - timedelta(hours=6)
    sundays = [day for day in range(25, 32) if date(MONTH.year, 3, day).weekday() == 6]
    return midnight(date(MONTH.year, 3, sundays[0])) - timedelta(hours=4)


HANDED_OVER: Final = (begin() + timedelta(hours=HOURS / 2)).astimezone(UTC)


def begun_for(shown: datetime) -> str:
    """Return since when a clock of SPEED must have run to show this time now."""
    now = datetime.now(UTC)
    return stamp(now - (shown - now) / (SPEED - 1))


def leap(database: Path, shown: datetime) -> None:
    """Let the simulated clock show this time, as if the server had been switched off until then."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("UPDATE simulated_time SET begun_at = ?", (begun_for(shown),))


def served(database: Path) -> Any:
    flags = ("--clock-speed", str(SPEED), "--time-zone", str(BERLIN), "--heartbeat-interval", "900")
    return serving(database, *flags)


def ask(server: Serving, method: str, *path: object, **given: object) -> Any:
    return api_of(server).ask(
        method, "admin", *map(str, path), given=given if method != "GET" else None, patience=60
    )


# The house, its month, and its bill


@dataclass(frozen=True, slots=True)
class Billed:
    """What was closed, as it stands in the database, and the simulator's ledger."""

    ledger: Ledger
    summary: dict[str, Any]
    """What the simulator told in the end."""
    sums: Any
    doubtful: dict[int, str]
    not_over: frozenset[int]
    positions: Sequence[dict[str, Any]]
    statements: Sequence[tuple[Any, ...]]
    entries: dict[int, Entry]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    database = tmp_path_factory.mktemp("month") / "levity.db"
    with open_database(
        database, SimulatedTime(datetime.fromisoformat(begun_for(begin())), SPEED)
    ) as connection:
        connection.execute(
            "INSERT INTO biller (name, payment_days, set_at, set_by) "
            "VALUES ('Owner', 14, '', 'owner')"
        )
    return database


@pytest.fixture(scope="module")
def billed(database: Path) -> Billed:
    """Run the month and close it. The server is restarted after its end."""
    with served(database) as server:
        move_in(server)
        written = scenario(database.parent)
        url, ledger = f"ws://127.0.0.1:{server.port}/ws/", database.with_name("ledger.jsonl")
        given = (
            "--scenario",
            str(written),
            "--speed",
            str(SPEED),
            "--verify",
            str(database),
            "--ledger",
            str(ledger),
        )
        ended = simulate(
            url, *given, folder=database.parent, seconds=HOURS * 3600 / SPEED + RUN_SECONDS
        )
    leap(database, midnight(NEXT) + timedelta(hours=6))
    with served(database) as server:
        sums = close(server, MONTH)
        found = read_ledger(ledger)
        return Billed(
            ledger=found,
            summary=ended.summary,
            sums=sums,
            doubtful=in_doubt(server, midnight(MONTH), midnight(NEXT)),
            not_over=not_over(server),
            positions=positions(server, MONTH),
            statements=server.query(
                "SELECT account_id, number, total FROM statement WHERE month = ?", text(MONTH)
            ),
            entries=matched(server, found),
        )


def move_in(server: Serving) -> None:
    """Six households, each with two tags; one more tag changes hands, another one is nobody's."""
    long_ago = f"{MONTH.year - 1}-01-01"
    for number, toml in enumerate((FLAT, DAY_AND_NIGHT), 1):
        assert (
            ask(server, "POST", "tariffs", toml=toml.replace("2026-10-01", long_ago))["id"]
            == number
        )
    ask(server, "POST", "tariff-assignments", tariff=1, since=long_ago, site=True)
    for account in sorted(FLAT_ONES + WITH_WINDOWS):
        assert (
            ask(server, "POST", "accounts", name=f"Flat {account}", since=long_ago)["id"] == account
        )
        for tag in tags_of(account):
            ask(server, "POST", "accounts", account, "give", tag=tag.upper(), since=long_ago)
    for account in WITH_WINDOWS:
        ask(server, "POST", "tariff-assignments", tariff=2, since=long_ago, account=account)
    handed_over = HANDED_OVER.isoformat()
    ask(server, "POST", "accounts", 1, "give", tag=WANDERING, since=long_ago, until=handed_over)
    ask(server, "POST", "accounts", 2, "give", tag=WANDERING, since=handed_over)
    ask(server, "PUT", "billing", begun_on=str(MONTH))


def scenario(folder: Path) -> Path:
    tags = [
        *(tag for account in (*FLAT_ONES, *WITH_WINDOWS) for tag in tags_of(account)),
        WANDERING,
        STRANGER,
    ]
    written = folder / "month.toml"
    # enough for each way to show itself
    a_day, outages, longest = (12, 4, 2) if HOURS < 48 else (2, 1, 6)
    given = {
        "hours": HOURS,
        "chargers": len(LIARS),
        "a_day": a_day,
        "outages": outages,
        "longest": longest,
        "tags": ", ".join(map(json.dumps, tags)),
    }
    written.write_text(SCENARIO.format(**given))
    return written


def close(server: Serving, month: date) -> Any:
    """Wait until everything is judged; close the month, and return what its preview came to."""
    until = time.monotonic() + 300
    while server.query("SELECT 1 FROM tx WHERE judge_after IS NOT NULL"):
        assert time.monotonic() < until
        time.sleep(0.2)
    while True:
        sums = ask(server, "GET", "drafts", text(month))["sums"]
        with suppress(Refusal):  # something changed since it was shown
            shown = {"statements": sums["statements"], "charged": sums["charged"]}
            ask(server, "POST", "closings", text(month), **shown)
            return sums
        assert time.monotonic() < until


def text(month: date) -> str:
    return f"{month:%Y-%m}"


def in_doubt(server: Serving, since: datetime, until: datetime) -> dict[int, str]:
    """Return the transactions that ended between two times and are in doubt, with their tags."""
    found = server.query(
        "SELECT id, coalesce(id_tag, '') FROM tx "
        "WHERE stop_time >= ? AND stop_time < ? AND (confidence = 'doubtful' OR EXISTS (SELECT 1 "
        "FROM review WHERE tx_id = tx.id AND resolved_at IS NULL))",
        *(stamp(at.astimezone(UTC)) for at in (since, until)),
    )
    return dict(found)


def not_over(server: Serving) -> frozenset[int]:
    """Return the transactions that are open, or were closed after the month: their stop was
    lost."""
    until = stamp(midnight(NEXT).astimezone(UTC))
    return frozenset(
        number
        for (number,) in server.query("SELECT id FROM tx WHERE coalesce(stop_time, '9') > ?", until)
    )


POSITIONS: Final = (
    "SELECT position.account_id AS account, kind, tx_id AS tx, energy_wh AS wh, lines, amount, "
    "split, started_at, ended_at, number "
    "FROM position JOIN statement ON statement.id = statement_id "
    "WHERE statement.month = ?"
)


def positions(server: Serving, month: date) -> list[dict[str, Any]]:
    names = (
        "account",
        "kind",
        "tx",
        "wh",
        "lines",
        "amount",
        "split",
        "started_at",
        "ended_at",
        "number",
    )
    return [dict(zip(names, row, strict=True)) for row in server.query(POSITIONS, text(month))]


def matched(server: Serving, ledger: Ledger) -> dict[int, Entry]:
    """Return the entry of each transaction: by the id that its charger was told, else by its start
    as it was sent."""
    found = {
        entry.transaction_id: entry for entry in ledger.entries if entry.transaction_id is not None
    }
    untold = [entry for entry in ledger.entries if entry.transaction_id is None]
    for number, charger, tag, start in server.query(
        "SELECT id, cp_id, id_tag, meter_start FROM tx ORDER BY id"
    ):
        for entry in untold:
            sent = entry.message(START)
            register = sent and sent.moments[-1].register
            if number not in found and (entry.charger, entry.id_tag, register) == (
                charger,
                tag,
                str(start),
            ):
                found[number] = entry
                untold.remove(entry)
                break
    return found


# The model: what the ledger says


def owed(wh: int) -> int:
    """Cents for a session with the flat tariff, half a cent rounded up."""
    return 0 if wh < FREE_BELOW_WH else (wh * CENTS_A_KWH + 500) // 1000


def shown_wh(entry: Entry) -> int:
    """What flowed, as the register of its charger shows it: that of two connectors both, one that
    stops early less."""
    start, stop = entry.message(START), entry.message(STOP)
    if not entry.lies or start is None or stop is None:
        return entry.energy_wh
    return int(stop.moments[-1].register or 0) - int(start.moments[-1].register or 0)


def owner(entry: Entry, began: datetime) -> int | None:
    owners = {tag: account for account in range(1, 7) for tag in tags_of(account)}
    if entry.id_tag == WANDERING:
        return 1 if began < HANDED_OVER else 2
    return owners.get(entry.id_tag)


def begins(billed: Billed) -> dict[int, datetime]:
    """Return when sessions began: by their chargers' clocks where these are nearly right, as the
    bill has it."""
    told = {
        one["tx"]: datetime.fromisoformat(one["started_at"])
        for one in of_kinds(billed, "session", "free")
    }
    truly = {number: wall(billed.ledger, entry.began) for number, entry in billed.entries.items()}
    return {
        number: told[number] if number in told and abs(told[number] - at) < NEARLY else at
        for number, at in truly.items()
    }


def wall(ledger: Ledger, at: float) -> datetime:
    found = ledger.wall(at)
    assert found is not None
    return found


def charged(billed: Billed) -> dict[int, dict[int, int]]:
    """Return for each account the Wh of each session that its statement must ask for, or name as
    free."""
    found: dict[int, dict[int, int]] = defaultdict(dict)
    began = begins(billed)
    for number, entry in billed.entries.items():
        account = owner(entry, began[number])
        is_certain = entry.ended is not None and number not in {*billed.doubtful, *billed.not_over}
        if (
            account is not None
            and is_certain
            and wall(billed.ledger, entry.ended or 0) >= midnight(MONTH)
        ):
            found[account][number] = shown_wh(entry)
    return found


# What the statements must say


def of_kinds(billed: Billed, *kinds: str) -> Iterator[dict[str, Any]]:
    return (position for position in billed.positions if position["kind"] in kinds)


def test_no_quirk_costs_energy(billed: Billed) -> None:
    """What chargers delivered and anybody could show is in the database to the Wh, once, and
    nothing else is."""
    assert billed.summary["verification"]["faults"] == []
    chargers = [billed.summary["chargers"][liar] for liar in LIARS.values()]
    assert min(one["sessions"] for one in chargers) > 0
    assert max(one["discarded"] for one in chargers) == 0


def test_lies_are_seen(billed: Billed, database: Path) -> None:
    """What was told outside the rules was repaired and counted, and what a register did was marked
    for a person."""

    def of(sql: str) -> set[str]:
        return {charger for (charger,) in query(database, sql)}

    assert {LIARS["long-strings"], LIARS["unknown-values"]} <= of("SELECT cp_id FROM repair")
    reviewed = of("SELECT cp_id FROM tx WHERE review IS NOT NULL")
    assert {
        LIARS["register-resets"],
        LIARS["register-jumps"],
        LIARS["register-runs-back"],
    } <= reviewed
    set_aside = of("SELECT cp_id FROM set_aside")
    assert set_aside <= {LIARS["start-lost"], LIARS["stop-unreadable"]}
    assert (billed.summary["verification"]["set_aside"] > 0) is bool(set_aside)


@pytest.mark.parametrize("account", sorted(FLAT_ONES + WITH_WINDOWS))
def test_each_session_is_billed_once_to_the_wh(billed: Billed, account: int) -> None:
    found = {
        one["tx"]: one["wh"]
        for one in of_kinds(billed, "session", "free")
        if one["account"] == account
    }
    assert found == charged(billed)[account]
    assert found


@pytest.mark.parametrize("account", FLAT_ONES)
def test_with_a_flat_tariff_a_statement_is_what_the_ledger_makes(
    billed: Billed, account: int
) -> None:
    ((total,),) = [(total,) for of, _, total in billed.statements if of == account]
    assert total == sum(map(owed, charged(billed)[account].values())) > 0


def test_held_back_are_exactly_the_doubtful_ones(billed: Billed) -> None:
    held_back = [one["tx"] for one in of_kinds(billed, "held back")]
    tags = {tag.lower() for account in (*FLAT_ONES, *WITH_WINDOWS) for tag in tags_of(account)} | {
        WANDERING.lower()
    }
    assert sorted(held_back) == sorted(
        number for number, tag in billed.doubtful.items() if tag.lower() in tags
    )
    assert billed.sums["held_back"] == len(held_back) > 0
    assert billed.sums["nobody"] > 0


# Windows


def seams(first: datetime, last: datetime) -> list[datetime]:
    """Return when day and night begin between two times."""
    days = [first.astimezone(BERLIN).date() + timedelta(days=number) for number in range(-1, 4)]
    found = [midnight(day).replace(hour=hour).astimezone(UTC) for day in days for hour in SEAMS]
    return [at for at in sorted(found) if first < at < last]


def told(entry: Entry, position: dict[str, Any]) -> Iterator[tuple[datetime, int, int]]:
    """Yield the readings as the charger sent them: when, and the least and the most Wh that may
    have flowed by then.

    These differ where a register lags behind. The bill's clock may differ from the charger's by
    what its start was corrected.
    """
    start = entry.message(START)
    assert start is not None
    moment = start.moments[-1]
    ahead = datetime.fromisoformat(moment.time or "") - datetime.fromisoformat(
        position["started_at"]
    )
    for one in (
        moment
        for sent in entry.sent
        if sent.is_evidence
        for moment in sent.moments
        if moment.register
    ):
        with suppress(InvalidOperation):  # one that nobody can read
            shown = int(Decimal(one.register or 0)) - int(moment.register or 0)
            both = one.delivered_wh, shown if 0 <= shown <= entry.energy_wh else one.delivered_wh
            yield datetime.fromisoformat(one.time or "") - ahead, min(both), max(both)


def allowed(entry: Entry, position: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """Return the least and the most Wh of each window, by the readings next to the seams."""
    first, last = (datetime.fromisoformat(position[name]) for name in ("started_at", "ended_at"))
    readings, second, whole = list(told(entry, position)), timedelta(seconds=1), shown_wh(entry)

    def at_least(at: datetime) -> int:
        return max((wh for told_at, wh, _ in readings if told_at <= at - second), default=0)

    def at_most(at: datetime) -> int:
        return min((wh for told_at, _, wh in readings if told_at >= at + second), default=whole)

    found: dict[str, tuple[int, int]] = {"day": (0, 0), "night": (0, 0)}
    ends = [(first, 0, 0), *((at, at_least(at), at_most(at)) for at in seams(first, last))]
    for (at, low, high), (_, next_low, next_high) in pairwise([*ends, (last, whole, whole)]):
        name = "day" if SEAMS[0] <= at.astimezone(BERLIN).hour < SEAMS[1] else "night"
        least, most = found[name]
        found[name] = least + max(0, next_low - high), most + next_high - low
    return found


def is_steady(entry: Entry, ledger: Ledger) -> bool:
    """Whether the charger's clock was not set meanwhile: then nobody knows better than the bill
    when a reading was."""
    moments = [
        moment for sent in entry.sent if sent.is_evidence for moment in sent.moments if moment.time
    ]
    ahead = [datetime.fromisoformat(one.time or "") - wall(ledger, one.at) for one in moments]
    return max(ahead) - min(ahead) < timedelta(seconds=60)


def windows(position: dict[str, Any]) -> dict[str, int]:
    """Return the Wh of the windows of a position."""
    found = {"day": 0, "night": 0}
    for kind, _, _, window, quantity, *_ in json.loads(position["lines"]):
        assert kind == "energy"
        found[window] += quantity
    return found


def test_each_window_lies_between_the_readings_beside_its_seam(billed: Billed) -> None:
    crossing = 0
    for position in of_kinds(billed, "session"):
        entry = billed.entries[position["tx"]]
        if position["account"] in WITH_WINDOWS:
            found = windows(position)
            assert sum(found.values()) == position["wh"]
            if is_steady(entry, billed.ledger):
                limits = allowed(entry, position)
                for name, wh in found.items():
                    assert limits[name][0] <= wh <= limits[name][1], (name, found, limits, position)
                crossing += all(found.values())
    assert crossing > 0


# After the closing


def test_a_correction_after_the_closing_stands_on_the_next_statement(
    billed: Billed, database: Path
) -> None:
    first = next(
        one
        for one in of_kinds(billed, "session")
        if one["account"] == FLAT_ONES[1] and one["wh"] > 2000
    )
    before = positions_as_stored(database)
    leap(database, midnight(LAST) + timedelta(hours=6))
    with served(database) as server:
        ask(
            server,
            "POST",
            "transactions",
            first["tx"],
            "correct",
            figure_wh=first["wh"] - 1000,
            reason="his display",
        )
        close(server, NEXT)
        stand = [one for one in positions(server, NEXT) if one["kind"] != "held back"]
    shown = [(one["account"], one["kind"], one["tx"]) for one in stand]
    assert shown == [(first["account"], "correction", first["tx"])], (
        stand,
        billed.not_over,
        billed.doubtful,
    )
    (found,) = stand
    assert (found["wh"], found["amount"]) == (-1000, owed(first["wh"] - 1000) - owed(first["wh"]))
    assert found["number"] == 1 + max(number for _, number, _ in billed.statements)
    assert positions_as_stored(database)[: len(before)] == before


def positions_as_stored(database: Path) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute("SELECT * FROM position ORDER BY id").fetchall()

"""Makes the history of the demo: `just demo-history`, after which levity_trio/demo/history.db.xz is
another one. Until 1.0.0 is released, whoever changes the schema makes it again.

It is simulated in virtual time as in tests/tools/benchmarks/months, in two parts. Between them, on
the second of January, a server runs on it for a few seconds, so that its owner moves everybody in
and closes December. It ends on a Thursday evening, when the demo goes on.

It is downloaded with the program, so it must be small (MOST_BYTES): until MEASURED_FROM, chargers
tell their register only, and the server between the parts deletes the events of EVENT_DAYS before.
Visits, registers and prices are the same each time. Not so are the seconds that the owner needs,
and what a server draws: keys, and the numbers of its messages.
"""

from __future__ import annotations

import lzma
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from random import Random
from time import monotonic, sleep
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import trio

from levity_trio.billing.examples import DAY_AND_NIGHT
from levity_trio.billing.sun import SunMeasured
from levity_trio.charging.quarters import SECONDS, quarter_of
from levity_trio.client import Api, Sought
from levity_trio.demo.house import (
    BY_QUARTER,
    CHARGERS,
    FAULT,
    FAULTED,
    FEEDER,
    HOUSEHOLDS,
    NAME,
    NEIGHBOUR,
    OWNER,
    PANELS,
    SHARED,
    SIGNING,
    SPEED,
    TIME_ZONE,
    Household,
    charger_id,
    configuration,
    feeder_document,
    plate,
)
from levity_trio.load.tree import as_phases
from levity_trio.simulator.charger import connectors
from levity_trio.simulator.charger.charger import Charger
from levity_trio.simulator.charger.state import meter_keys
from levity_trio.simulator.feeder import VOLTS, Feeder
from levity_trio.simulator.link import Pace
from levity_trio.simulator.scenario import ChargerPlan, Ending, Incident, Kind, Order, Visit
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.engine.file_store import FileConnection
from levity_trio.store.writes.load import load
from levity_trio.store.writes.money.tariffs import SeriesData, add_prices, set_series
from levity_trio.store.writes.people.ownership import Said
from levity_trio.wire.times import stamp
from tests.integration.serving import serving
from tests.tools.benchmarks.months.books import open_books, save
from tests.tools.benchmarks.months.fleet import Network, Switchboard, charger_of, open_links
from tests.tools.benchmarks.months.leaping import run
from tests.tools.benchmarks.months.server import MonthServer, open_server

FILE: Final = Path(__file__).parents[2] / "levity_trio" / "demo" / "history.db.xz"
ZONE: Final = ZoneInfo(TIME_ZONE)
BEGIN: Final = datetime(2025, 11, 14, 0, 0, tzinfo=ZONE)
CLOSING: Final = datetime(2026, 1, 2, 9, 0, tzinfo=ZONE)
END: Final = datetime(2026, 1, 15, 17, 20, tzinfo=ZONE)
SHARED_FROM: Final = datetime(2026, 1, 14, 0, 0, tzinfo=ZONE)
"""From then on, load management shares the feeder: the demo has a yesterday of it."""
METER_SECONDS: Final = 20.0
MEASURED_SECONDS: Final = 60.0
"""Before load management, so often grid and panels are measured."""
PRICES_UNTIL: Final = END + timedelta(days=10)
"""The demo goes on for hours."""
FAULTED_AT: Final = datetime(2026, 1, 13, 7, 42, tzinfo=ZONE)
READING_SECONDS, HEARTBEAT_SECONDS, DELAY_SECONDS = 900, 3600, 0.4
MEASURED_FROM: Final = datetime(2026, 1, 4, 0, 0, tzinfo=ZONE)
"""From then on, chargers also tell current and power. Those of all weeks are a third of the file,
and pages compute the power of older sessions from their registers."""
SAMPLED: Final = "MeterValuesSampledData"
REGISTER: Final = "Energy.Active.Import.Register"
EVENT_DAYS: Final = 14
"""Older events are no longer there when the owner closes December."""
MOST_BYTES: Final = 700_000
QUIET: Final = timedelta(hours=1)
"""Between two cars at a charger, and the shortest stay."""
OFTEN, OFTEN_SHARED = 0.62, 0.15
ARRIVING_HOURS: Final = (
    7,
    9,
    11,
    13,
    15,
    16,
    16,
    17,
    17,
    17,
    18,
    18,
    18,
    18,
    19,
    19,
    19,
    20,
    20,
    21,
    22,
)
OWNERS_SPEED: Final = 2
CHECKED_SECONDS: Final = 600.0
"""A server looks at twenty sessions at a time."""
LAST_READING_SECONDS: Final = 5.0
"""So long before the end, cars that charge tell a last reading, from which the demo goes on."""
SEED: Final = 12
REGISTERS_WH: Final = (1_200_000, 6_500_000)


SERIES: Final = "Day-ahead"
MARKET: Final = (
    *(78, 74, 72, 71, 73, 82, 104, 135, 142, 120, 98, 84),
    *(70, 74, 92, 118, 142, 168, 160, 138, 115, 102, 94, 86),
)
"""EUR for a MWh by the hour of an ordinary working day in winter."""
WEATHER: Final = (-110.0, 80.0, 0.0)
"""What wind takes from it, or calm adds, on a day: at the most and at the least, and mostly."""
SATURDAY: Final = 5
MOVING: Final = f"""\
name = "Market and sun"
valid_from = {BEGIN.date()}
currency = "EUR"
prices = "gross"
tax = 19

[energy]
series = "{SERIES}"
markup = 0.17
floor = 0.05
cap = 0.60
fallback = 0.36

[sun]
price = 0.16
"""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the history, with what the meters of the chargers show when it begins."""

    begin: datetime
    end: datetime
    registers: Mapping[str, int]

    @property
    def seconds(self) -> float:
        return (self.end - self.begin).total_seconds()

    def at(self, moment: datetime) -> float:
        """Return a moment in seconds since the part began."""
        return (moment - self.begin).total_seconds()

    def clock(self) -> datetime:
        return (self.begin + timedelta(seconds=trio.current_time())).astimezone(UTC)


def main() -> int:
    """Make the file, and say how large it is."""
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "history.db"
        make(database)
        packed = pack(database.read_bytes())
    if len(packed) > MOST_BYTES:
        print(f"it would have {len(packed):,} bytes, more than {MOST_BYTES:,}; nothing was changed")
        return 1
    FILE.write_bytes(packed)
    print(f"{FILE}: {len(packed):,} bytes")
    return 0


def pack(database: bytes) -> bytes:
    """Compress a database. Its texts do not begin at multiples of four bytes, which xz expects
    (pb)."""
    texts: dict[str, int] = {"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "pb": 0}
    return lzma.compress(database, filters=[texts])


def make(database: Path) -> None:
    """Write the history into a new file."""
    dice = Random(SEED)
    registers = {one: dice.randrange(*REGISTERS_WH) for one in CHARGERS}
    with open_books() as books:
        _simulate(books, Part(BEGIN, CLOSING, registers))
        save(books, database)
    _move_in(database)
    with open_books(database.read_bytes()) as books:
        last = dict(books.execute("SELECT cp_id, meter_stop FROM tx ORDER BY id").fetchall())
        _simulate(books, Part(CLOSING + timedelta(minutes=30), END, registers | last))
        save(books, database)
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute(
            "UPDATE simulated_time SET (begun_at, speed, started_at) = (?, ?, NULL)",
            (_utc(END), SPEED),
        )
        for table in ("load_state", "load_lease", "load_charger", "load_model"):
            connection.execute(f"DELETE FROM {table}")
        connection.execute(
            "UPDATE run SET (ended_at, clean) = (?, 1) WHERE ended_at IS NULL", (_utc(END),)
        )
        connection.execute("VACUUM")


def _utc(moment: datetime) -> str:
    return stamp(moment.astimezone(UTC))


# What happened


class Fixed(NamedTuple):
    """A session of a household on its own space that is not drawn.

    `leap_wh`: its register leaps by this after a while; 0 lets it begin anew.
    """

    who: Household
    begins: datetime
    leap_wh: int | None = None


FIXED: Final = (
    Fixed(HOUSEHOLDS[2], datetime(2026, 1, 9, 18, 4, tzinfo=ZONE), 60_000),
    *(
        Fixed(HOUSEHOLDS[6], datetime(2026, 1, day, 17, 35, tzinfo=ZONE), 0)
        for day in (4, 6, 8, 10, 12)
    ),
    Fixed(HOUSEHOLDS[3], datetime(2026, 1, 15, 13, 52, tzinfo=ZONE)),
    Fixed(HOUSEHOLDS[1], datetime(2026, 1, 15, 14, 37, tzinfo=ZONE)),
    Fixed(HOUSEHOLDS[10], datetime(2026, 1, 15, 15, 25, tzinfo=ZONE)),
    Fixed(HOUSEHOLDS[5], datetime(2026, 1, 15, 16, 8, tzinfo=ZONE)),
    Fixed(HOUSEHOLDS[8], datetime(2026, 1, 15, 16, 51, tzinfo=ZONE)),
)
"""The sessions in doubt, those of one charger for the same cause, and those that are open at the
end."""
STAY, LIES_AFTER = timedelta(hours=4), timedelta(hours=1, minutes=45)


def _simulate(books: FileConnection, part: Part) -> None:
    run(partial(_course, books, part))


async def _course(books: FileConnection, part: Part) -> None:
    board, pace = Switchboard(), Pace()
    network = Network(board.serve, DELAY_SECONDS, SEED)
    visits = _visits(part)
    chargers = [_charger(name, part, visits[name], network) for name in CHARGERS]
    async with (
        open_links(chargers, pace, network),
        open_server(books, HEARTBEAT_SECONDS, part.clock) as server,
    ):
        board.to = server.serve
        if part.begin == BEGIN:
            server.write(_enter_prices, stamp(part.clock()))
        async with trio.open_nursery() as sharing:
            sharing.start_soon(_share, server, chargers, pace, part)
            await pace.sleep_until(part.seconds - LAST_READING_SECONDS)
            for charger in chargers:
                if charger.connectors[1].transaction is not None:
                    charger.send("MeterValues", None, 1, lambda _answer, _at: None, pace.now)
            await pace.sleep_until(part.seconds)
            sharing.cancel_scope.cancel()
        board.to = None


async def _share(server: MonthServer, chargers: Sequence[Charger], pace: Pace, part: Part) -> None:
    """Measure grid and panels, and share the feeder later. The house takes, and the panels give,
    what they do in the demo."""

    def hour(at: float) -> float:
        local = part.begin + timedelta(seconds=at)
        return local.hour + local.minute / 60

    feeder = Feeder(FEEDER, Random(SEED), hour)
    imported = exported = generated = 0.0
    while pace.now < part.at(SHARED_FROM):
        feeder.look(chargers, pace.now)
        hours = MEASURED_SECONDS / 3600
        grid = VOLTS * sum(feeder.shown)
        imported += hours * max(0.0, grid)
        exported += hours * max(0.0, -grid)
        generated += hours * VOLTS * sum(feeder.sun)
        await pace.sleep_until(pace.now + MEASURED_SECONDS)
        now = part.clock().timestamp()
        if now % SECONDS == 0:
            energy = round(imported), round(exported), round(generated)
            server.write(_keep_sun, quarter_of(now) - 1, SunMeasured(SECONDS, *energy))
            imported = exported = generated = 0.0

    async with server.sharing(feeder_document(), OWNER) as management:
        server.write(load.manage, CHARGERS, stamp(part.clock()), OWNER)
        while True:
            feeder.look(chargers, pace.now)
            for name, amperes in (("House", feeder.shown), (PANELS, feeder.sun)):
                watts = as_phases(VOLTS * each for each in amperes)
                management.measured(name, amperes, watts)
            await pace.sleep_until(pace.now + METER_SECONDS)


def _keep_sun(db: UnitOfWork, quarter: int, measured: SunMeasured) -> None:
    """Store what grid and panels measured in a quarter of an hour, as load management does. Nothing
    else is managed then."""
    ((site,),) = db.rows("SELECT coalesce(max(id), 0) FROM load_site")
    if not site:
        at = stamp(BEGIN.astimezone(UTC))
        load.set_site(db, feeder_document(), at, OWNER)
        load.set_site(db, "", at, OWNER)
        site = 1
    load.keep_sun(db, site, quarter, measured, CHARGERS)


def _enter_prices(db: UnitOfWork, at: str) -> None:
    """Enter what a market with wind and sun asks for a kWh."""
    data = SeriesData(name=SERIES, currency="EUR", prices="net")
    number = set_series(db, data, Said(at, OWNER)).id
    prices = dict[int, Decimal]()
    for quarter in range(quarter_of(BEGIN.timestamp()), quarter_of(PRICES_UNTIL.timestamp())):
        local = datetime.fromtimestamp(quarter * SECONDS, ZONE)
        of_hour, next_hour = MARKET[local.hour], MARKET[(local.hour + 1) % 24]
        price = of_hour + (next_hour - of_hour) * local.minute / 60
        price *= 0.7 if local.weekday() >= SATURDAY else 1.0
        price += Random(f"{SEED} {local.date()}").triangular(*WEATHER)
        price += Random(quarter).uniform(-6.0, 6.0)
        prices[quarter] = Decimal(round(100 * price)).scaleb(-5)
    add_prices(db, number, prices, Said(at, OWNER))


def _charger(name: str, part: Part, visits: Iterable[Visit], network: Network) -> Charger:
    faults: tuple[Incident, ...] = ()
    if name == FAULTED and part.begin < FAULTED_AT < part.end:
        for_ever = 2 * part.seconds
        faults = (
            Incident(
                at=part.at(FAULTED_AT),
                kind=Kind.FAULT,
                seconds=for_ever,
                connector=1,
                error_code=FAULT,
            ),
        )
    plan = ChargerPlan(plate(name, part.registers[name]), tuple(visits), faults)
    charger = charger_of(plan, configuration(READING_SECONDS), network)
    if part.begin < MEASURED_FROM:
        tell_all = partial(_sample, charger, charger.memory.configuration[SAMPLED])
        charger.agenda.plan(part.at(MEASURED_FROM), tell_all, is_own=False)
        _sample(charger, REGISTER, 0.0)
    for one in FIXED:
        if (
            name == charger_id(one.who.space)
            and part.begin < one.begins < part.end
            and one.leap_wh is not None
        ):
            charger.agenda.plan(
                part.at(one.begins + LIES_AFTER), partial(_lie, charger, one.leap_wh), is_own=False
            )
    return charger


def _sample(charger: Charger, measurands: str, _at: float) -> None:
    charger.memory.configuration[SAMPLED] = measurands


def _lie(charger: Charger, leap_wh: int, at: float) -> None:
    if leap_wh:
        charger.memory.offsets[1] += leap_wh
    else:
        connectors.set_register(charger, 1, 0, at)


def _visits(part: Part) -> dict[str, list[Visit]]:
    """Return the visits of a part by charger: the habits of all households, and the sessions of the
    lies."""
    dice, free = Random(f"{SEED} {part.begin}"), dict.fromkeys(CHARGERS, part.begin + QUIET)
    found: dict[str, list[Visit]] = {name: [] for name in CHARGERS}
    for day in range(1 + (part.end - part.begin).days):
        for who in HOUSEHOLDS:
            arrives, leaves = _day_of(who, (part.begin + timedelta(days=day)).date(), dice)
            is_fixed = any((one.who, one.begins) == (who, arrives) for one in FIXED)
            leaves = leaves if is_fixed else min(leaves, part.end - QUIET * dice.uniform(0.4, 2))
            space = (
                dice.choice(SHARED) if dice.random() < OFTEN_SHARED and not is_fixed else who.space
            )
            name = charger_id(space)
            if (
                arrives is None
                or arrives < free[name]
                or leaves < arrives + QUIET
                or name == FAULTED
            ):
                continue
            found[name].append(_visit(who, part, arrives, leaves, dice))
            free[name] = leaves + QUIET
    return found


def _day_of(who: Household, day: date, dice: Random) -> tuple[datetime | None, datetime]:
    """Return when a household comes on a day, None if it does not, and when it leaves."""
    fixed = next((one for one in FIXED if one.who == who and one.begins.date() == day), None)
    hour, stay = dice.choice(ARRIVING_HOURS), timedelta(hours=dice.uniform(3, 9))
    comes = dice.random() < OFTEN
    if fixed is not None:
        return fixed.begins, fixed.begins + STAY
    arrives = datetime.combine(day, time(hour, dice.randrange(60)), tzinfo=ZONE)
    return arrives if comes else None, arrives + stay


def _visit(who: Household, part: Part, arrives: datetime, leaves: datetime, dice: Random) -> Visit:
    return Visit(
        at=part.at(arrives),
        connector=1,
        vehicle=who.arrives(
            soc=round(dice.uniform(0.15, 0.25) if leaves > part.end else dice.uniform(0.3, 0.75), 2)
        ),
        id_tag=who.tag,
        order=Order.PLUG_FIRST,
        between_seconds=dice.randint(6, 30),
        stay_seconds=(leaves - arrives).total_seconds(),
        ending=dice.choice((Ending.TAG, Ending.UNPLUG)),
    )


# What the owner did


def _move_in(database: Path) -> None:
    """Let a server run at the time of the closing: everybody moves in, and December is closed."""
    now = stamp(datetime.now(UTC))
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        row = (_utc(CLOSING), OWNERS_SPEED, now)
        connection.execute(
            "INSERT INTO simulated_time (id, begun_at, speed, started_at) VALUES (1, ?, ?, ?)", row
        )
    flags = ("--clock-speed", str(OWNERS_SPEED), "--time-zone", TIME_ZONE, "--server-name", NAME)
    with serving(
        database,
        *flags,
        *("--registration", "ask", "--adopt-existing", "--unknown-tags", "ask"),
        *("--event-days", str(EVENT_DAYS)),
    ):
        api = Api(f"unix:{database}.sock", Sought("server", "start it"))

        def ask(method: str, *path: str, **given: object) -> Any:
            return api.ask(method, "admin", *path, given=given, patience=60)

        _furnish(ask)
        _wait_for_duties(database)
        _bill(ask)
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")  # a database in memory has no WAL


def _furnish(ask: Callable[..., Any]) -> None:
    since = str(BEGIN.date())
    sender = {"name": f"House {NAME} (demo)", "address": "Bauhof 12\n10115 Berlin"}
    bank = {"bank_account": "DE75512108001245126199", "tax_kind": "taxed"}
    ask("PUT", "biller", **sender, **bank, tax_number="30/123/45678", number_prefix="R-")
    tariff = ask("POST", "tariffs", toml=DAY_AND_NIGHT.replace("2026-10-01", since))["id"]
    ask("POST", "tariff-assignments", tariff=tariff, since=since, site=True)
    station = ask("POST", "stations", name=NAME)["id"]
    for number, identity in enumerate(CHARGERS, 1):
        ask("POST", "chargers", identity, "adopt")
        ask("PUT", "chargers", identity, name=f"Space {number}", station=station)
    (key,) = meter_keys(plate(charger_id(SIGNING), 0)).values()
    ask("POST", "chargers", charger_id(SIGNING), "meter-keys", key=key.default)
    moving = ask("POST", "tariffs", toml=MOVING)["id"]
    for who in HOUSEHOLDS:
        address = f"Bauhof 12, Whg. {who.space}\n10115 Berlin"
        account = ask("POST", "accounts", name=who.name, address=address, since=since)["id"]
        ask("POST", "id-tags", id_tag=who.tag, name=who.name)
        ask("POST", "accounts", str(account), "give", tag=who.tag, since=since)
        if who in BY_QUARTER:
            ask("POST", "tariff-assignments", tariff=moving, since=since, account=account)
    ask("POST", "users", name=OWNER, role="admin")
    ask("POST", "users", name=NEIGHBOUR.name, role="driver", account=1)


def _wait_for_duties(database: Path) -> None:
    """Wait until the energy of sessions is divided by the quarter of an hour, and what the meter
    signed is checked with the key that was entered: a statement says so only then. Old events are
    deleted until then, too."""
    undivided = (
        "SELECT count(*) FROM bill_work"
        " WHERE revision > (SELECT coalesce(max(revision), 0) FROM tx_quarter_work)"
    )
    unchecked = (
        "SELECT count(*) FROM tx LEFT JOIN signed_check ON tx_id = tx.id AND is_owners "
        "WHERE cp_id = ? AND stop_time IS NOT NULL AND tx_id IS NULL"
    )
    not_pruned = "SELECT count(*) = 0 FROM event WHERE kind = 'EventsPruned'"
    deadline = monotonic() + CHECKED_SECONDS
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        while (
            connection.execute(unchecked, (charger_id(SIGNING),)).fetchone() != (0,)
            or connection.execute(undivided).fetchone() != (0,)
            or connection.execute(not_pruned).fetchone() != (0,)
        ):
            assert monotonic() < deadline, "the server is not done with its duties"
            sleep(0.1)


def _bill(ask: Callable[..., Any]) -> None:
    month = "2025-12"
    ask("PUT", "billing", begun_on=f"{month}-01")
    ask("POST", "closings", month)


if __name__ == "__main__":
    sys.exit(main())

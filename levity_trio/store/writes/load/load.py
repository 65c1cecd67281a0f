"""Stores the site of load management, what was decided and measured, what people and grid operators
want, and what cars missed because of us; then which chargers it limits, what they were sent, and
what was found of how they obey.

The energy of transactions by the quarter of an hour is stored here too, and deleted after two
years.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple
from datetime import timedelta
from typing import Any, Final

import orjson

from levity_trio.billing.sun import SunMeasured
from levity_trio.charging.quarters import quarter_of
from levity_trio.charging.sent.evidence import seconds
from levity_trio.events import (
    BoostStarted,
    GridLimitChanged,
    LimitIgnored,
    LimitObeyed,
    LoadManagementChanged,
    LoadSiteChanged,
    TrialEnded,
)
from levity_trio.store.billing.quarters import price_again, touched
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.lookups.load_spans import PRICE, WAITED, WHY
from levity_trio.store.reads.load.leases import StoredLease
from levity_trio.store.reads.load.load import LoadCarQuarter, LoadOrder, LoadQuarter, LoadWish
from levity_trio.store.reads.transactions.power import TakenEnergy
from levity_trio.store.writes.chargers.hiding import UnknownIdentity, check_known
from levity_trio.store.writes.people.accounts import ChangeRefused, RefusalCode
from levity_trio.told import Told

WISHES_KEPT: Final = timedelta(days=92)
"""The time when a driver leaves is kept for so long, to show whether wishes are believed; later it
is nobody's business."""


def set_site(db: UnitOfWork, toml: str, at: str, by: str) -> bool:
    """Store the site, which was checked; an empty text ends load management. Return whether that is
    news. Raises ChangeRefused while chargers are limited."""
    return change_site(db, _site(db), toml, at, by)


def change_site(db: UnitOfWork, seen: str, toml: str, at: str, by: str) -> bool:
    """Store a site that was made of the one that was seen. Raises ChangeRefused if that is another
    by now, too."""
    known = _site(db)
    if known != seen:
        raise ChangeRefused(
            RefusalCode.CONFLICT,
            Told("somebody has changed the site meanwhile: look at it, and try again"),
            "toml",
        )
    if toml == known:
        return False
    if not toml and db.row("SELECT 1 FROM load_charger LIMIT 1") is not None:
        words = Told("chargers are still limited: levity-trio load off clears what they were sent")
        raise ChangeRefused(RefusalCode.CONFLICT, words, "toml")
    version = db.insert(
        "INSERT INTO load_site (toml, set_at, set_by) VALUES (?, ?, ?) RETURNING id", (toml, at, by)
    )
    if not toml:
        db.execute("DELETE FROM load_state")
    db.record(LoadSiteChanged(charger=None, at=at, version=version, is_managed=bool(toml), by=by))
    return True


def _site(db: UnitOfWork) -> str:
    """Return the site, empty where nothing is managed."""
    known = db.row("SELECT toml FROM load_site ORDER BY id DESC LIMIT 1")
    return "" if known is None else str(known[0])


def forget(db: UnitOfWork, circuit: str | None, charger: str | None, at: str, by: str) -> None:
    """Forget the other load that was measured at a circuit before this quarter of an hour, or what
    a charger, its firmware and the cars there have shown. All is read anew."""
    if circuit is not None:
        quarter = quarter_of(seconds(at))
        db.execute(
            "INSERT INTO load_forgotten (circuit, quarter, at, by) VALUES (?, ?, ?, ?)",
            (circuit, quarter, at, by),
        )
    if charger is not None:
        check_charger(db, charger)
        for statement in _FORGET:
            db.execute(statement, (charger,))
    version, is_managed = db.row(
        "SELECT id, toml <> '' FROM load_site ORDER BY id DESC LIMIT 1"
    ) or (0, False)
    db.record(
        LoadSiteChanged(charger=None, at=at, version=version, is_managed=bool(is_managed), by=by)
    )


_FIRMWARE: Final = "coalesce(vendor, ''), coalesce(model, ''), coalesce(firmware_version, '')"
_OF_IT: Final = f"(SELECT {_FIRMWARE} FROM cp WHERE id = ?)"  # noqa: S608 - our own words
_FORGET: Final = (
    "DELETE FROM load_learned WHERE cp_id = ?",
    (
        "UPDATE load_charger SET disobeys_since = NULL, restarts_since = NULL, obeyed = 0, way = 1 "
        "WHERE cp_id = ?"
    ),
    (
        "UPDATE load_charger SET prepared_at = NULL "  # noqa: S608
        f"WHERE cp_id IN (SELECT id FROM cp WHERE ({_FIRMWARE}) = {_OF_IT})"
    ),
    f"DELETE FROM load_model WHERE (vendor, model, firmware) = {_OF_IT}",  # noqa: S608 - our own words
)


# What was decided and measured


def keep_state(db: UnitOfWork, at: str, shown: str, standings: str) -> None:
    """Store the last decision in place of the one before, unless its site has ended meanwhile."""
    if (
        db.row("SELECT 1 FROM load_site WHERE id = (SELECT max(id) FROM load_site) AND toml = ''")
        is not None
    ):
        return
    db.execute(
        "INSERT INTO load_state (id, at, shown, standings) "
        "VALUES (1, ?, ?, ?) ON CONFLICT (id) DO UPDATE "
        "SET (at, shown, standings) = (excluded.at, excluded.shown, excluded.standings)",
        (at, shown, standings),
    )


def keep_quarter(
    db: UnitOfWork, lines: Sequence[LoadQuarter], cars: Sequence[LoadCarQuarter]
) -> None:
    """Store what was measured and decided in a quarter of an hour. A server that was started within
    it stores only its rest, which replaces nothing."""
    for line in lines:
        db.execute(
            "INSERT INTO load_quarter (quarter, circuit, phase, other_mean, other_highest, "
            "cars_mean, permitted_highest, limit_a, over_seconds) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (quarter, circuit, phase) DO NOTHING",
            astuple(line),
        )
    for car in cars:
        db.execute(
            "INSERT INTO load_car_quarter (quarter, cp_id, conn_id, tx_id, limit_mean, "
            "drawn_mean, bound, circuit) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (quarter, cp_id, conn_id) DO NOTHING",
            astuple(car),
        )


def keep_sun(
    db: UnitOfWork, site: int, quarter: int, measured: SunMeasured, chargers: Iterable[str]
) -> None:
    """Store what was measured of the sun in a quarter of an hour, unless more of it is known.
    Sessions that ended in it may have another price now."""
    values = quarter, site, *measured
    if not db.changed(_KEEP_SUN, values):
        return
    for charger in chargers:
        db.execute(
            "INSERT INTO sun_charger (site_id, cp_id) SELECT ?, id FROM cp WHERE id = ? "
            "ON CONFLICT (site_id, cp_id) DO NOTHING",
            (site, charger),
        )
    price_again(db, touched(db.rows, quarter, quarter))


_KEEP_SUN: Final = (
    "INSERT INTO sun_quarter (quarter, site_id, seconds, import_wh, export_wh, generation_wh, "
    "charge_wh, discharge_wh) VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (quarter) DO UPDATE SET (seconds, import_wh, export_wh, generation_wh, "
    "charge_wh, discharge_wh) = (excluded.seconds, excluded.import_wh, excluded.export_wh, "
    "excluded.generation_wh, excluded.charge_wh, excluded.discharge_wh) "
    "WHERE excluded.seconds > sun_quarter.seconds"
)


def note_learned(
    db: UnitOfWork, what: str, place: tuple[str, int], key: str, value: str, at: str
) -> None:
    """Note that something was seen once more; another value than before begins to count anew. What
    a session teaches of its card counts once, also if a restart made us learn it again."""
    db.execute(
        "INSERT INTO load_learned (what, cp_id, conn_id, key, value, seen, last_at) "
        "VALUES (?, ?, ?, ?, ?, 1, ?) "
        "ON CONFLICT (what, cp_id, conn_id, key) DO UPDATE "
        "SET seen = CASE WHEN load_learned.value <> excluded.value THEN 1 "
        "WHEN load_learned.key <> '' AND load_learned.last_at >= (SELECT max(created_at) FROM tx "
        "WHERE tx.cp_id = excluded.cp_id AND tx.conn_id = excluded.conn_id) "
        "THEN load_learned.seen ELSE load_learned.seen + 1 END, "
        "last_at = excluded.last_at, value = excluded.value",
        (what, *place, key, value, at),
    )


# What people and grid operators want


def limit_by_hand(
    db: UnitOfWork, place: tuple[str, int], amperes: int | None, reason: str, at: str, by: str
) -> None:
    """Limit a connector by hand from now on, or no longer. Raises ChangeRefused."""
    wanted = {} if amperes is None else {"amperes": amperes, "reason": reason}
    _wish(db, "hand", place, wanted, at, by)


def boost(
    db: UnitOfWork, place: tuple[str, int], until: str, reason: str, at: str, by: str
) -> None:
    """Give the car at a connector its maximum until a time, within both ledgers. Raises
    ChangeRefused."""
    _wish(db, "boost", place, {"until": until, "reason": reason}, at, by)
    charger, connector = place
    db.record(
        BoostStarted(charger=charger, at=at, connector=connector, until=until, reason=reason, by=by)
    )


def depart(
    db: UnitOfWork,
    place: tuple[str, int],
    transaction: int,
    leaves: tuple[str, int | None],
    at: str,
    by: str,
) -> None:
    """Note when the driver of a transaction leaves, and how many Wh he wants in it. Raises
    ChangeRefused."""
    departure_at, wanted_wh = leaves
    wanted = {"tx_id": transaction, "departure_at": departure_at, "wanted_wh": wanted_wh}
    _wish(db, "departure", place, wanted | {"reason": ""}, at, by)


def wait_for_price(
    db: UnitOfWork, transaction: int, wish: tuple[str, str] | None, at: str, by: str
) -> None:
    """Let the car of a transaction wait while a kWh costs more than a price, until a time; None: no
    longer."""
    db.execute(
        "UPDATE price_wish SET ended_at = ?, ended_by = ? WHERE tx_id = ? AND ended_at IS NULL",
        (at, by, transaction),
    )
    if wish is not None:
        db.execute(
            "INSERT INTO price_wish (tx_id, most_price, charges_at, made_at, made_by) "
            "VALUES (?, ?, ?, ?, ?)",
            (transaction, *wish, at, by),
        )


def end_wishes(db: UnitOfWork, wishes: Sequence[LoadWish], at: str, by: str) -> None:
    """End wishes: a person took them back, or their time or their transaction is over."""
    for wish in wishes:
        table = "price_wish" if wish.kind == PRICE else "load_wish"
        db.execute(
            f"UPDATE {table} SET ended_at = ?, ended_by = ? WHERE id = ? AND ended_at IS NULL",  # noqa: S608
            (at, by, wish.id),
        )


def _wish(
    db: UnitOfWork,
    kind: str,
    place: tuple[str, int],
    wanted: Mapping[str, object],
    at: str,
    by: str,
) -> None:
    """Replace what is wanted of a kind for a connector; with nothing, it is only ended. Raises
    ChangeRefused."""
    charger, connector = place
    check_charger(db, charger)
    db.execute(
        "UPDATE load_wish SET ended_at = ?, ended_by = ? "
        "WHERE cp_id = ? AND conn_id = ? AND kind = ? AND ended_at IS NULL",
        (at, by, charger, connector, kind),
    )
    if not wanted:
        return
    whose = {"kind": kind, "cp_id": charger, "conn_id": connector}
    columns = {**whose, **wanted, "made_at": at, "made_by": by}
    names, marks = ", ".join(columns), ", ".join("?" * len(columns))
    db.execute(f"INSERT INTO load_wish ({names}) VALUES ({marks})", (*columns.values(),))  # noqa: S608 - our own names


def check_charger(db: UnitOfWork, charger: str) -> None:
    """Raises ChangeRefused if there is no such charger."""
    try:
        check_known(db, charger)
    except UnknownIdentity:
        raise ChangeRefused(
            RefusalCode.NOT_FOUND, Told("there is no charger {1}", charger), "charger"
        ) from None


def add_order(
    db: UnitOfWork, amperes: float | None, kilowatts: float | None, source: str, at: str
) -> None:
    """Keep an order of the grid operator as proof; one that is repeated is the same. Until the
    owner says what orders limit, that is what the last one did, and the chargers at the first."""
    known = db.row(
        "SELECT id, limits, amperes, kilowatts, source FROM load_order ORDER BY id DESC LIMIT 1"
    )
    if known is not None and known[2:] == (amperes, kilowatts, source):
        db.execute(
            "UPDATE load_order SET last_at = ?, count = count + 1 WHERE id = ?", (at, known[0])
        )
        return
    limits = "chargers" if known is None else known[1]
    db.execute(
        (
            "INSERT INTO load_order (source, amperes, kilowatts, limits, at, last_at, count) "
            "VALUES (?, ?, ?, ?, ?, ?, 1)"
        ),
        (source, amperes, kilowatts, limits, at, at),
    )
    db.record(
        GridLimitChanged(charger=None, at=at, amperes=amperes, kilowatts=kilowatts, source=source)
    )


def keep_order(db: UnitOfWork, order: LoadOrder) -> None:
    """Note how an order is kept."""
    db.execute(
        "UPDATE load_order SET limits = ?, held_after_seconds = ?, highest = ? WHERE id = ?",
        (order.limits, order.held_after_seconds, order.highest, order.id),
    )


# What cars missed because of us, or of their drivers


def begin_span(db: UnitOfWork, transaction: int, why: str, at: str) -> None:
    """Note since when the car of a transaction gets too little to charge, and why: waited, paused,
    below or price; or, without a reason, that it does so no longer. A span that lasts for another
    reason ends then."""
    known = db.row(_LASTING, (transaction,))
    if known is not None and known[0] == why:
        return
    since = at if known is None else max(at, known[1])
    end_span(db, transaction, since)
    is_by_wish = why == PRICE
    if why:
        db.execute(
            "INSERT INTO load_span (tx_id, why, is_by_wish, since) VALUES (?, ?, ?, ?)",
            (transaction, WAITED if is_by_wish else why, int(is_by_wish), since),
        )


_LASTING: Final = f"SELECT {WHY}, since FROM load_span WHERE tx_id = ? AND until IS NULL"  # noqa: S608 - our own words


def end_span(db: UnitOfWork, transaction: int, at: str) -> None:
    """Note until when the span of a transaction lasted, if one does: not until before it began."""
    db.execute(
        "UPDATE load_span SET until = max(since, ?) WHERE tx_id = ? AND until IS NULL",
        (at, transaction),
    )


# Retention

_OLD: Final = (
    (
        "DELETE FROM load_quarter "
        "WHERE quarter = (SELECT min(quarter) FROM load_quarter) AND quarter < ?"
    ),
    (
        "DELETE FROM load_car_quarter "
        "WHERE quarter = (SELECT min(quarter) FROM load_car_quarter) AND quarter < ?"
    ),
)


def delete_past(
    db: UnitOfWork, quarter: int, at: str, wishes_at: str, seconds: float
) -> tuple[int, bool]:
    """Delete quarters before one, orders before a time, and wishes made before another, for at most
    `seconds`; return how many rows, and whether none is left."""
    until = time.monotonic() + seconds
    rows = db.changed("DELETE FROM load_order WHERE last_at < ?", (at,))
    for table in ("load_wish", "price_wish"):
        rows += db.changed(
            f"DELETE FROM {table} WHERE made_at < ? AND ended_at IS NOT NULL",  # noqa: S608
            (wishes_at,),
        )
    for statement in _OLD:
        while deleted := db.changed(statement, (quarter,)):
            rows += deleted
            if time.monotonic() > until:
                return rows, False
    return rows, True


BY: Final = "load management"
"""Who asks for our commands."""
MANAGED: Final = "managed"
LEAVING: Final = "leaving"
CLOSED: Final = "availability:"
"""The word before the number of a connector that was closed, in `put_back`."""
OBEYED: Final = 3
"""One limit that was not obeyed is made up for by so many that were."""


def manage(db: UnitOfWork, chargers: Sequence[str], at: str, by: str) -> list[str]:
    """Begin to limit chargers; return those of which that is news. Raises ChangeRefused for an
    unknown one."""
    begun = []
    for charger in chargers:
        check_charger(db, charger)
        known = db.row("SELECT state FROM load_charger WHERE cp_id = ?", (charger,))
        if known is not None and known[0] == MANAGED:
            continue
        db.execute(
            "INSERT INTO load_charger (cp_id, state, since, by) "
            "VALUES (?, ?, ?, ?) ON CONFLICT (cp_id) DO UPDATE "
            "SET (state, since, by, prepared_at, restarts_since) = (excluded.state, "
            "excluded.since, excluded.by, NULL, NULL)",
            (charger, MANAGED, at, by),
        )
        db.record(LoadManagementChanged(charger=charger, at=at, state=MANAGED, by=by))
        begun.append(charger)
    return begun


def let_go(db: UnitOfWork, chargers: Sequence[str], at: str, by: str) -> list[str]:
    """Begin to let chargers go; return those of which that is news. Nothing is kept any more for
    one that is away."""
    begun = []
    for charger in chargers:
        known = db.row("SELECT state FROM load_charger WHERE cp_id = ?", (charger,))
        db.execute(
            "UPDATE load_charger SET state = ?, since = ?, by = ? WHERE cp_id = ?",
            (LEAVING, at, by, charger),
        )
        if known == (MANAGED,):
            db.record(LoadManagementChanged(charger=charger, at=at, state=LEAVING, by=by))
            begun.append(charger)
    return begun


def note_gone(db: UnitOfWork, charger: str, at: str) -> None:
    """Note that a charger has nothing of ours any more."""
    if db.changed("DELETE FROM load_charger WHERE cp_id = ? AND state = ?", (charger, LEAVING)):
        db.execute("DELETE FROM load_lease WHERE cp_id = ?", (charger,))
        db.record(LoadManagementChanged(charger=charger, at=at, state="left", by=""))


def note_prepared(
    db: UnitOfWork,
    charger: str,
    at: str,
    as_of: tuple[int | None, str | None],
    known: tuple[int, str | None],
) -> None:
    """Note that a charger has our defaults and reports as we need it, as of its boot with a number
    and its firmware. `known` are the way in which it was told, and when it had been prepared
    before: if that is another now, it is to be prepared once more."""
    db.execute(
        "UPDATE load_charger SET prepared_at = ?, prepared_boot = ?, firmware = ? "
        "WHERE cp_id = ? AND way = ? AND coalesce(prepared_at, '') = ?",
        (at, *as_of, charger, known[0], known[1] or ""),
    )


def note_restarts(db: UnitOfWork, charger: str, at: str | None) -> None:
    """Note that a charger restarts when it is told something; None: that is tried again. It is
    prepared once more."""
    db.execute(
        "UPDATE load_charger SET restarts_since = ?, prepared_at = NULL "
        "WHERE cp_id = ? AND (restarts_since IS NULL) = ?",
        (at, charger, at is not None),
    )


def note_default(
    db: UnitOfWork, charger: str, facts: Mapping[str, Any], ways: tuple[int, int], at: str
) -> None:
    """Note in which words a charger took its default after it had refused others, and the ways in
    which it was told before and is now. The way is said of it alone, and until a person wants to
    try again: it may have refused because it was busy."""
    learn_of_firmware(db, charger, facts, at)
    db.execute(
        "UPDATE load_charger SET way = ? WHERE cp_id = ? AND way = ?", (ways[1], charger, ways[0])
    )


def put_back_later(
    db: UnitOfWork, charger: str, keys: Mapping[str, str | None], *done: str
) -> None:
    """Note what configuration keys were before we change them, of which what was noted first
    counts, and those that are `done`: as they were before."""
    found = db.row("SELECT put_back FROM load_charger WHERE cp_id = ?", (charger,))
    if found is not None:
        kept = {**keys, **orjson.loads(found[0])}
        for key in done:
            kept.pop(key, None)
        text = orjson.dumps(kept).decode()
        db.execute("UPDATE load_charger SET put_back = ? WHERE cp_id = ?", (text, charger))


def trust_charger(db: UnitOfWork, charger: str, by: str | None) -> None:
    """Note that a person trusts a charger without a trial; None: nobody any more. Raises
    ChangeRefused."""
    if not db.changed("UPDATE load_charger SET trusted_by = ? WHERE cp_id = ?", (by, charger)):
        raise ChangeRefused(
            RefusalCode.NOT_FOUND, Told("load management does not limit {1}", charger), "charger"
        )


def keep_lease(db: UnitOfWork, lease: StoredLease) -> None:
    """Store what a connector may draw at most, in place of what it might before."""
    db.execute(
        "INSERT INTO load_lease (cp_id, conn_id, tx_id, amperes, ends_at, safe_a, sent_at, day, "
        "reasons) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (cp_id, conn_id) DO UPDATE "
        "SET (tx_id, amperes, ends_at, safe_a, sent_at, day, reasons) = (excluded.tx_id, "
        "excluded.amperes, excluded.ends_at, excluded.safe_a, excluded.sent_at, excluded.day, "
        "excluded.reasons)",
        (*astuple(lease)[:-1], orjson.dumps(lease.reasons).decode()),
    )


# Whether it obeys


def note_ignored(db: UnitOfWork, fact: LimitIgnored, way: int, prepared_at: str | None) -> None:
    """Note that a charger does not obey, and the way in which it is told from now on. It is told
    once. If it was prepared at another time than `prepared_at`, it was told something else
    meanwhile, and that is still to be seen."""
    known = db.row(
        "SELECT disobeys_since FROM load_charger WHERE cp_id = ? AND coalesce(prepared_at, '') = ?",
        (fact.charger, prepared_at or ""),
    )
    if known is None:
        return
    db.execute(
        (
            "UPDATE load_charger "
            "SET disobeys_since = coalesce(disobeys_since, ?), obeyed = 0, way = ? "
            "WHERE cp_id = ?"
        ),
        (fact.at, way, fact.charger),
    )
    if known[0] is None:
        db.record(fact)


def note_obeyed(db: UnitOfWork, charger: str, connector: int, at: str) -> None:
    """Count a limit that a charger obeyed after it did not. Enough of them end that, and the way in
    which it was told is the first for all with its firmware."""
    found = db.row(
        "UPDATE load_charger SET obeyed = obeyed + 1 WHERE cp_id = ? AND disobeys_since IS NOT NULL"
        " RETURNING obeyed, disobeys_since, way",
        (charger,),
    )
    if found is not None and found[0] >= OBEYED:
        forgive_charger(db, charger)
        learn_of_firmware(db, charger, {"way": found[2]}, at)
        db.record(LimitObeyed(charger=charger, at=at, connector=connector, since=found[1]))


def forgive_charger(db: UnitOfWork, charger: str, way: int | None = None) -> bool:
    """Forget that a charger did not obey: it does again, has new firmware, or a person wants to try
    again from the first way on. Return whether that is news."""
    return bool(
        db.changed(
            "UPDATE load_charger SET disobeys_since = NULL, obeyed = 0, way = coalesce(?, way),"
            " prepared_at = CASE WHEN ? THEN NULL ELSE prepared_at END,"
            " restarts_since = CASE WHEN ? THEN NULL ELSE restarts_since END WHERE cp_id = ?",
            (way, way is not None, way is not None, charger),
        )
    )


def try_charger_again(db: UnitOfWork, charger: str, at: str, by: str) -> None:
    """Have a charger tried from the first way on, at once: a person wants that."""
    known = db.row("SELECT state FROM load_charger WHERE cp_id = ?", (charger,))
    forgive_charger(db, charger, 1)
    if known == (MANAGED,):
        db.record(LoadManagementChanged(charger=charger, at=at, state=MANAGED, by=by))


def learn_of_firmware(db: UnitOfWork, charger: str, facts: Mapping[str, Any], at: str) -> None:
    """Store what a charger has shown of all with its firmware."""
    found = db.row("SELECT vendor, model, firmware_version FROM cp WHERE id = ?", (charger,))
    if found is None:
        return
    model = [name or "" for name in found]
    for what, value in facts.items():
        db.execute(
            "INSERT INTO load_model (vendor, model, firmware, what, value, cp_id, at) "
            "VALUES (?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (vendor, model, firmware, what) DO UPDATE "
            "SET (value, cp_id, at) = (excluded.value, excluded.cp_id, excluded.at)",
            (*model, what, orjson.dumps(value).decode(), charger, at),
        )


# Trials


def begin_trial(db: UnitOfWork, charger: str, connector: int, at: str, by: str) -> int:
    """Begin a trial and return its number. Raises ChangeRefused if one runs, or its profiles would
    be cleared."""
    check_charger(db, charger)
    words = ""
    if db.row("SELECT 1 FROM load_trial WHERE cp_id = ? AND ended_at IS NULL", (charger,)):
        words = Told("a trial of {1} is running", charger)
    if not db.row(
        "SELECT 1 FROM load_charger WHERE cp_id = ? AND prepared_at IS NOT NULL", (charger,)
    ):
        words = Told("{1} is being prepared for its limits: try again in a minute", charger)
    if words:
        raise ChangeRefused(RefusalCode.CONFLICT, words, "charger")
    return db.insert(
        (
            "INSERT INTO load_trial (cp_id, conn_id, began_at, began_by, steps) "
            "VALUES (?, ?, ?, ?, '[]') RETURNING id"
        ),
        (charger, connector, at, by),
    )


def keep_trial(db: UnitOfWork, trial: int, steps: str) -> None:
    """Store how far a trial has come."""
    db.execute("UPDATE load_trial SET steps = ? WHERE id = ? AND ended_at IS NULL", (steps, trial))


def end_trial(
    db: UnitOfWork, trial: int, steps: str, result: str, at: str, facts: Mapping[str, Any]
) -> None:
    """End a trial, with what it has shown of all chargers with that firmware. The charger gets its
    default anew."""
    found = db.row(
        "UPDATE load_trial SET steps = ?, result = ?, ended_at = ? "
        "WHERE id = ? AND ended_at IS NULL RETURNING cp_id, conn_id",
        (steps, result, at, trial),
    )
    if found is None:
        return
    charger, connector = found
    learn_of_firmware(db, charger, facts, at)
    db.execute("UPDATE load_charger SET prepared_at = NULL WHERE cp_id = ?", (charger,))
    if result == "passed":
        forgive_charger(db, charger, 1)
    db.record(TrialEnded(charger=charger, at=at, connector=connector, result=result))


def cancel_trials(db: UnitOfWork, at: str) -> None:
    """End the trials that an earlier run left."""
    for number, steps in db.rows("SELECT id, steps FROM load_trial WHERE ended_at IS NULL"):
        end_trial(db, number, steps, "cancelled", at, {})


_DELETE: Final = "DELETE FROM power WHERE tx_id = ? AND day >= ?"
_KEEP: Final = "INSERT INTO power (tx_id, day, since, wh) VALUES (?, ?, ?, ?)"
_DONE: Final = (
    "INSERT INTO power_work (id, revision) VALUES (1, ?) ON CONFLICT (id) "
    "DO UPDATE SET revision = max(power_work.revision, excluded.revision)"
)


def keep_energy(db: UnitOfWork, found: Sequence[TakenEnergy], revision: int | None = None) -> None:
    """Store what transactions took in place of what was stored of them, and up to which revision of
    bill_work that is done."""
    for one in found:
        db.execute(_DELETE, (one.transaction, one.from_day))
        for day in one.days:
            db.execute(_KEEP, (one.transaction, *day))
    if revision is not None:
        db.execute(_DONE, (revision,))


def delete_energy_before(db: UnitOfWork, day: int, seconds: float) -> tuple[int, bool]:
    """Delete the oldest days up to this one, for at most `seconds`; return how many rows, and
    whether none is left."""
    until, rows = time.monotonic() + seconds, 0
    while True:
        ((first,),) = db.rows("SELECT min(day) FROM power")
        is_all = first is None or first >= day
        if is_all or (rows and time.monotonic() > until):
            return rows, is_all
        rows += db.changed("DELETE FROM power WHERE day = ?", (first,))

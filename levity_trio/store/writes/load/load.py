"""Stores the site of load management, what was decided and measured, what people and grid operators
want, and what cars missed because of us."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple
from datetime import timedelta
from typing import Final

from levity_trio.billing.sun import SunMeasured
from levity_trio.charging.quarters import quarter_of
from levity_trio.charging.sent.evidence import seconds
from levity_trio.events import BoostStarted, GridLimitChanged, LoadSiteChanged
from levity_trio.store.billing.quarters import price_again, touched
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.lookups.load_spans import PRICE, WAITED, WHY
from levity_trio.store.reads.load.load import LoadCarQuarter, LoadOrder, LoadQuarter, LoadWish
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


def learned(
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


def delete_before(
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

"""Stores which chargers load management limits, what they were sent, and what was found of how they
obey."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple
from typing import Any, Final

import orjson

from levity_trio.events import LimitIgnored, LimitObeyed, LoadManagementChanged, TrialEnded
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.reads.load.leases import StoredLease
from levity_trio.store.writes.load.load import check_charger
from levity_trio.store.writes.people.accounts import ChangeRefused, RefusalCode
from levity_trio.told import Told

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


def gone(db: UnitOfWork, charger: str, at: str) -> None:
    """Note that a charger has nothing of ours any more."""
    if db.changed("DELETE FROM load_charger WHERE cp_id = ? AND state = ?", (charger, LEAVING)):
        db.execute("DELETE FROM load_lease WHERE cp_id = ?", (charger,))
        db.record(LoadManagementChanged(charger=charger, at=at, state="left", by=""))


def prepared(
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


def restarts(db: UnitOfWork, charger: str, at: str | None) -> None:
    """Note that a charger restarts when it is told something; None: that is tried again. It is
    prepared once more."""
    db.execute(
        "UPDATE load_charger SET restarts_since = ?, prepared_at = NULL "
        "WHERE cp_id = ? AND (restarts_since IS NULL) = ?",
        (at, charger, at is not None),
    )


def took_default(
    db: UnitOfWork, charger: str, facts: Mapping[str, Any], ways: tuple[int, int], at: str
) -> None:
    """Note in which words a charger took its default after it had refused others, and the ways in
    which it was told before and is now. The way is said of it alone, and until a person wants to
    try again: it may have refused because it was busy."""
    learn(db, charger, facts, at)
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


def trust(db: UnitOfWork, charger: str, by: str | None) -> None:
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


def ignored(db: UnitOfWork, fact: LimitIgnored, way: int, prepared_at: str | None) -> None:
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


def obeyed(db: UnitOfWork, charger: str, connector: int, at: str) -> None:
    """Count a limit that a charger obeyed after it did not. Enough of them end that, and the way in
    which it was told is the first for all with its firmware."""
    found = db.row(
        "UPDATE load_charger SET obeyed = obeyed + 1 WHERE cp_id = ? AND disobeys_since IS NOT NULL"
        " RETURNING obeyed, disobeys_since, way",
        (charger,),
    )
    if found is not None and found[0] >= OBEYED:
        forgive(db, charger)
        learn(db, charger, {"way": found[2]}, at)
        db.record(LimitObeyed(charger=charger, at=at, connector=connector, since=found[1]))


def forgive(db: UnitOfWork, charger: str, way: int | None = None) -> bool:
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


def try_again(db: UnitOfWork, charger: str, at: str, by: str) -> None:
    """Have a charger tried from the first way on, at once: a person wants that."""
    known = db.row("SELECT state FROM load_charger WHERE cp_id = ?", (charger,))
    forgive(db, charger, 1)
    if known == (MANAGED,):
        db.record(LoadManagementChanged(charger=charger, at=at, state=MANAGED, by=by))


def learn(db: UnitOfWork, charger: str, facts: Mapping[str, Any], at: str) -> None:
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
    learn(db, charger, facts, at)
    db.execute("UPDATE load_charger SET prepared_at = NULL WHERE cp_id = ?", (charger,))
    if result == "passed":
        forgive(db, charger, 1)
    db.record(TrialEnded(charger=charger, at=at, connector=connector, result=result))


def cancel_trials(db: UnitOfWork, at: str) -> None:
    """End the trials that an earlier run left."""
    for number, steps in db.rows("SELECT id, steps FROM load_trial WHERE ended_at IS NULL"):
        end_trial(db, number, steps, "cancelled", at, {})

"""A charger takes the place of another one: what belongs to the place follows from now on, and what
was stays with the old one. Under the same name, only what is known of the old one ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Final, NamedTuple

from levity_trio.billing.assignments import Scope, TariffTarget
from levity_trio.billing.ownership import Thing, TimeSpan, What
from levity_trio.charging.lifecycle import Cause
from levity_trio.store.billing.tariffs import first_open_day
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.writes.chargers import configuration
from levity_trio.store.writes.chargers.hiding import check_known, hide
from levity_trio.store.writes.chargers.registration import (
    ChargerData,
    DecidedBy,
    add_charger,
    adopt,
    change_charger,
)
from levity_trio.store.writes.chargers.sessions import follow_serial
from levity_trio.store.writes.load.load import (
    change_site,
    forgive_charger,
    let_go,
    manage,
    note_gone,
    trust_charger,
)
from levity_trio.store.writes.money import tariffs
from levity_trio.store.writes.money.tariffs import Assigning
from levity_trio.store.writes.origin import Origin
from levity_trio.store.writes.people import ownership, tags
from levity_trio.store.writes.people.accounts import ChangeRefused, RefusalCode
from levity_trio.store.writes.people.ownership import NamedThing, Said
from levity_trio.store.writes.transactions.judging import compare_neighbours, judge_again
from levity_trio.store.writes.transactions.states import load_transaction
from levity_trio.told import Told

_OWNED: Final = (
    "SELECT conn_id, account_id, since, until, is_exclusive FROM ownership "
    "WHERE what = 'space' AND key = ? AND voided_at IS NULL AND coalesce(until, '9999') > ? "
    "ORDER BY id"
)
_OF_PLACE: Final = (
    (
        "INSERT INTO space (cp_id, conn_id, name) "
        "SELECT ?2, conn_id, name FROM space WHERE cp_id = ?1 "
        "ON CONFLICT (cp_id, conn_id) DO UPDATE SET name = excluded.name"
    ),
    # The meter goes on with both: what it measured before came from the old one.
    (
        "INSERT INTO meter_charger (meter_id, cp_id) "
        "SELECT meter_id, ?2 FROM meter_charger WHERE cp_id = ?1 ON CONFLICT DO NOTHING"
    ),
    (
        "UPDATE cp SET labelled = old.labelled, labels = old.labels "
        "FROM (SELECT labelled, labels FROM cp WHERE id = ?1) AS old WHERE id = ?2"
    ),
)
"""What is copied: parameters are the old charger and the new one."""
_DESCRIBED: Final = (
    "INSERT INTO connector_data (cp_id, conn_id, type, phases, max_a, max_w, said_at, said_by) "
    "SELECT ?2, conn_id, type, phases, max_a, max_w, ?3, ?4 FROM connector_data WHERE id IN "
    "(SELECT max(id) FROM connector_data WHERE cp_id = ?1 GROUP BY conn_id)"
)
_TARIFFS: Final = (
    "SELECT since, tariff_id FROM tariff_assignment WHERE scope = 'charger' AND key = ? "
    "ORDER BY since, id"
)


class Replaced(NamedTuple):
    """An old charger and the new one in its place, from today on; the site of load management as it
    is and with the new one. `begins_at` returns when a day begins."""

    old: str
    new: str
    today: date
    begins_at: Callable[[date], str]
    site: tuple[str, str]


def replace(db: UnitOfWork, replaced: Replaced, at: str, by: str) -> None:
    """Let a charger take the place of another one, which is retired. The new one is registered, and
    need not have connected. Raises UnknownIdentity, StillUsed, ChangeRefused."""
    old, new, said = replaced.old, replaced.new, Said(at, by)
    check_known(db, old)
    if old == new or db.rows(_OWNED, (new, at)):
        words = Told("{1} has a household already; choose another charger", new)
        raise ChangeRefused(RefusalCode.CONFLICT, words, "charger")
    ((name, station),) = db.rows("SELECT name, station_id FROM cp WHERE id = ?", (old,))
    of_place = ChargerData(name, station)
    if db.row("SELECT 1 FROM cp WHERE id = ? AND hidden_at IS NULL", (new,)) is None:
        add_charger(db, new, of_place, at, by)
    else:
        change_charger(db, new, of_place, at)
        adopt(db, new, DecidedBy(at, by, "added"))

    for statement in _OF_PLACE:
        db.execute(statement, (old, new))
    db.execute(_DESCRIBED, (old, new, at, by))
    for connector, account, since, until, is_exclusive in db.rows(_OWNED, (old, at)):
        span = TimeSpan(max(since, at), until)
        space = Thing(What.SPACE, new, connector)
        place = NamedThing(space, is_exclusive=bool(is_exclusive))
        ownership.give(db, account, place, span, said)
        ownership.leave(db, space._replace(key=old), span, said)
    _assign_tariffs(db, replaced, said)
    tags.replace_charger_in_limits(db, old, new, at, by)
    configuration.replace_charger(db, old, new, at, by)
    _limit(db, replaced, at, by)
    hide(db, old, at, str(replaced.today), is_forced=True)
    db.execute("UPDATE cp SET replaced_by = ? WHERE id = ?", (new, old))


def _assign_tariffs(db: UnitOfWork, replaced: Replaced, said: Said) -> None:
    """Give the new charger the prices of the old one, those of today and those to come."""
    days: dict[date, int | None] = {}
    for since, tariff in db.rows(_TARIFFS, (replaced.old,)):
        days[max(date.fromisoformat(since), replaced.today)] = tariff
    target = TariffTarget(Scope.CHARGER, replaced.new)
    for day, tariff in days.items():
        wanted = Assigning(target, tariff, day, replaced.begins_at(day))
        tariffs.assign(db, wanted, first_open_day(db.rows), said)


def _limit(db: UnitOfWork, replaced: Replaced, at: str, by: str) -> None:
    """Limit the new charger where the old one was. Nothing is kept for one that was taken off the
    wall; one that is still connected gets back first what it had."""
    change_site(db, *replaced.site, at, by)
    if db.row("SELECT 1 FROM load_charger WHERE cp_id = ?", (replaced.old,)) is None:
        return
    manage(db, [replaced.new], at, by)
    let_go(db, [replaced.old], at, by)
    if db.row("SELECT 1 FROM cp WHERE id = ? AND is_connected = 0", (replaced.old,)) is not None:
        note_gone(db, replaced.old, at)


_ANSWER: Final = (
    "UPDATE serial_change SET is_other = ?, answered_at = ?, answered_by = ?, reason = ? "
    "WHERE cp_id = ? AND serial = ? AND answered_at IS NULL RETURNING at"
)
_TOLD_SINCE: Final = (
    "SELECT received_at, serial_number, charge_box_serial_number FROM boot "
    "WHERE cp_id = ? AND received_at >= ? ORDER BY id"
)
_REPLACED_AT: Final = (
    "SELECT at FROM serial_change WHERE cp_id = ? AND is_other = 1 AND at >= ? ORDER BY at"
)
_HABITS: Final = (
    "UPDATE habit SET revoked_at = ?2, revoked_by = ?3, reason = ?4 "
    "WHERE cp_id = ?1 AND revoked_at IS NULL AND since < ?2"
)
_KNOWN_OF_IT: Final = (
    "DELETE FROM ping WHERE cp_id = ?",
    "DELETE FROM oddity WHERE cp_id = ?",
    "UPDATE cp SET kept_interval = NULL, transfers = NULL WHERE id = ?",
)
_AROUND: Final = (
    "SELECT max(CASE WHEN created_at <= ?2 THEN id END), min(CASE WHEN created_at > ?2 THEN id END)"
    " FROM tx WHERE cp_id = ?1 GROUP BY conn_id"
)
"""The transactions beside a time, on each connector."""


def answer_serial(
    db: UnitOfWork, charger: str, serial: str, decided: DecidedBy, *, is_other: bool
) -> None:
    """Say whether a charger is another one since it told a new serial number. If it is, no register
    leads from one to the other, and what is known of the old one does not count. Raises
    ChangeRefused."""
    answer = (int(is_other), decided.at, decided.by, decided.reason, charger, serial)
    asked = db.rows(_ANSWER, answer)
    if not asked:
        words = Told("nobody asks about the serial number {1}", serial)
        raise ChangeRefused(RefusalCode.CONFLICT, words, "serial_number")
    if not is_other:
        return

    # It may have told the earlier number again meanwhile.
    since = min(asked)[0]
    before: Sequence[str | None] = (None, None)
    for booted_at, *told in db.rows(_TOLD_SINCE, (charger, since)):
        follow_serial(db, Origin(charger, None, booted_at), before, told)
        before = [new or old for new, old in zip(told, before, strict=True)]

    for statement in _KNOWN_OF_IT:
        db.execute(statement, (charger,))
    if forgive_charger(db, charger, 1):
        trust_charger(db, charger, None)
    for (at,) in db.rows(_REPLACED_AT, (charger, since)):
        db.execute(_HABITS, (charger, at, decided.by, Told("the charger was replaced")))
        _judge_around(db, Origin(charger, None, decided.at), at)


def _judge_around(db: UnitOfWork, origin: Origin, at: str) -> None:
    """Have the transactions judged again that stood beside each other at a time."""
    for previous, following in db.rows(_AROUND, (origin.charger, at)):
        for number in (previous, following):
            if number is not None:
                judge_again(db, origin, number, Cause.LATER)
        if following is not None:
            compare_neighbours(db, origin, load_transaction(db, following))


_ANSWER_METER: Final = (
    "INSERT INTO meter_pair (cp_id, other_cp_id, at, is_shown, is_one, answered_by) "
    "SELECT DISTINCT cp_id, other_cp_id, ?3, 0, ?4, ?5 FROM meter_pair "
    "WHERE cp_id = ?1 AND other_cp_id = ?2"
)
_JUDGE_BOTH: Final = (
    "UPDATE tx SET judge_after = ?3, judge_steps = 0 "
    "WHERE cp_id IN (?1, ?2) AND judged_at IS NOT NULL AND status = 'Completed' AND EXISTS ("
    "SELECT 1 FROM tx AS other WHERE other.cp_id IN (?1, ?2) AND other.cp_id <> tx.cp_id "
    "AND other.start_time < tx.stop_time AND other.stop_time > tx.start_time)"
)


def answer_meter(
    db: UnitOfWork, charger: str, other: str, at: str, by: str, *, is_one: bool
) -> None:
    """Say whether two chargers share a meter, and have their sessions judged again that ran at
    once. Raises ChangeRefused."""
    pair = sorted((charger, other))
    if not db.changed(_ANSWER_METER, (*pair, at, int(is_one), by)):
        words = Told("nobody asks whether {1} and {2} share a meter", *pair)
        raise ChangeRefused(RefusalCode.CONFLICT, words, "charger")
    db.execute(_JUDGE_BOTH, (*pair, at))

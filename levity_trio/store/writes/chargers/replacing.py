"""A charger takes the place of another one: what belongs to the place follows from now on, and what
was stays with the old one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Final, NamedTuple

from levity_trio.billing.assignments import Scope, TariffTarget
from levity_trio.billing.ownership import Thing, TimeSpan, What
from levity_trio.store.billing.tariffs import first_open_day
from levity_trio.store.engine.unit_of_work import UnitOfWork
from levity_trio.store.writes.chargers import configuration
from levity_trio.store.writes.chargers.hiding import check_known, hide
from levity_trio.store.writes.chargers.registration import DecidedBy, adopt
from levity_trio.store.writes.chargers.stations import ChargerData, add_charger, change_charger
from levity_trio.store.writes.load import leases
from levity_trio.store.writes.load.load import change_site
from levity_trio.store.writes.money import tariffs
from levity_trio.store.writes.money.tariffs import Assigning
from levity_trio.store.writes.people import limits, ownership
from levity_trio.store.writes.people.accounts import ChangeRefused, RefusalCode
from levity_trio.store.writes.people.ownership import NamedThing, Said
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
    limits.replace_charger(db, old, new, at, by)
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
    leases.manage(db, [replaced.new], at, by)
    leases.let_go(db, [replaced.old], at, by)
    if db.row("SELECT 1 FROM cp WHERE id = ? AND is_connected = 0", (replaced.old,)) is not None:
        leases.gone(db, replaced.old, at)

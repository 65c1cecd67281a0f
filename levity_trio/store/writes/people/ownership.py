"""What belongs to an account, and when: tags, spaces, vehicles.

Nothing is rewritten: a period is ended once; one that was wrong is voided, and rows of their own
say what holds instead (billing/ownership.py plans both).

A vehicle that was removed is hidden, and belongs to nobody any longer. A household names its own
cards and cars: only what is its own now, and the names are personal. For its company car it chooses
one way for a calendar year.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, NamedTuple

from levity_trio.access.tags import LookAlikes, Policy
from levity_trio.billing.car_sheet import FIRST_FLAT_YEAR, CarPrice, PriceWay
from levity_trio.billing.ownership import (
    OwnershipChange,
    OwnershipPeriod,
    Thing,
    TimeSpan,
    What,
    plan,
)
from levity_trio.events import OwnershipChanged, VehicleChanged
from levity_trio.nouns import Car
from levity_trio.records import noun
from levity_trio.store.billing.booking import list_all
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.lookups.places import name_of, periods_of, usage_limit
from levity_trio.store.reads.money.statements import car_prices, name_of_car
from levity_trio.store.writes.chargers import hiding
from levity_trio.store.writes.chargers.hiding import UnknownIdentity
from levity_trio.store.writes.people import accounts, tags
from levity_trio.store.writes.people.accounts import (
    ChangeRefused,
    ChangeResult,
    RefusalCode,
    check_known,
    check_name,
    find,
)
from levity_trio.store.writes.people.tags import TagChange, TagData
from levity_trio.store.writes.stored import RecordTable
from levity_trio.told import N_, Moment, Told

_COLUMNS: Final = (
    "account_id, what, key, conn_id, id_tag, vehicle_id, since, until, given_at, given_by, "
    "reason, is_exclusive"
)


class NotAlike(Exception):
    """A tag does not look like this card, or not like this one only."""


class SameTag(Exception):
    """Two periods would be of one tag; the argument is one that overlaps another."""


class Said(NamedTuple):
    """Who changes something, when and why. A reason is needed where time before now goes to another
    account."""

    at: str
    by: str
    reason: str | None = None


class Touched(NamedTuple):
    """What became of a period: it was begun, ended or voided."""

    change: str
    id: int


class NamedThing(NamedTuple):
    """A thing, as an operator names it: `id_tag` is a tag as entered, `vehicle` the one that it
    names.

    `is_exclusive` is whether a space is for the household only; None: as it is.
    """

    thing: Thing
    id_tag: str | None = None
    vehicle: int | None = None
    is_exclusive: bool | None = None


def give(
    db: UnitOfWork, account: int, belonging: NamedThing, span: TimeSpan, said: Said
) -> list[Touched]:
    """Make a thing belong to an account for a span; return which periods that changed. Raises
    ChangeRefused."""
    find(db, account)
    check_known(db, account)
    _check(db, belonging)
    if span.until is not None and span.until <= span.since:
        raise ChangeRefused(
            RefusalCode.CONFLICT,
            Told("give a time after {1}, since when it belongs to it", Moment(span.since)),
            "until",
        )
    known = periods_of(db.rows, belonging.thing)
    before = next(
        (one for one in known if one.account == account and one.span.covers(span.since)), None
    )
    vehicle, is_exclusive = belonging.vehicle, belonging.is_exclusive
    if vehicle is None:  # a tag goes on to name the vehicle that it names
        vehicle = before and before.vehicle
    if belonging.thing.what is What.VEHICLE:
        vehicle = int(belonging.thing.key)
    if is_exclusive is None:
        is_exclusive = before is not None and before.is_exclusive
    wanted = OwnershipPeriod(account, span, vehicle, is_exclusive=is_exclusive)
    touched = _apply(db, belonging, plan(known, span, wanted, said.at), span, said)
    for key, form in _other_forms(db, belonging.thing).items():
        read = belonging._replace(thing=Thing(What.TAG, key), id_tag=form.id_tag)
        touched += give(db, account, read, span, said)
    return touched


def take(db: UnitOfWork, account: int, thing: Thing, since: str, said: Said) -> None:
    """Take a thing from an account at a time; it is nobody's until the end of that period. Raises
    ChangeRefused."""
    name = find(db, account).name
    for one in periods_of(db.rows, thing):
        if one.account == account and one.span.covers(since):
            leave(db, thing, TimeSpan(since, one.span.until), said)
            return
    raise ChangeRefused(
        RefusalCode.NOT_FOUND,
        Told("it does not belong to household {1} at {2}", name, Moment(since)),
        thing.what,
    )


def leave(db: UnitOfWork, thing: Thing, span: TimeSpan, said: Said) -> list[Touched]:
    """Make a thing belong to nobody for a span; return which periods that changed. Raises
    ChangeRefused."""
    touched = _apply(
        db, NamedThing(thing), plan(periods_of(db.rows, thing), span, None, said.at), span, said
    )
    for key in _other_forms(db, thing):
        touched += leave(db, Thing(What.TAG, key), span, said)
    return touched


def _other_forms(db: UnitOfWork, thing: Thing) -> dict[str, TagData]:
    """Return what chargers read instead of a card: it belongs to whom the card belongs to."""
    return tags.other_forms(db, thing.key) if thing.what is What.TAG else {}


def make_same(
    db: UnitOfWork, policy: Policy, id_tag: str, card: str, at: str, by: str
) -> TagChange:
    """Let an unknown tag be a known card, which a charger reads so: it may what the card may, and
    belongs to the same household. Raises UnknownTag, TagInUse, and NotAlike unless this is the only
    card that it looks like."""
    key, of_card = policy.key(id_tag), policy.key(card)
    known = tags.find_tag(db, of_card)
    rows = db.rows(
        "SELECT key FROM tag WHERE ended_at IS NULL AND same_as IS NULL AND is_phone = 0"
    )
    alike = LookAlikes(one for (one,) in rows).of(key)
    if known is None or [*alike] != [of_card]:
        raise NotAlike(id_tag)
    change = tags.add(db, policy, replace(known, id_tag=id_tag, same_as=of_card), at, by)
    tags.limit_tag(db, policy, card, usage_limit(db.rows, What.TAG, of_card), at, by)
    for period in periods_of(db.rows, Thing(What.TAG, of_card)):
        if period.span.covers(at):
            belonging = NamedThing(Thing(What.TAG, key), id_tag, period.vehicle)
            give(db, period.account, belonging, TimeSpan(at, period.span.until), Said(at, by))
    return change


def remove_card(db: UnitOfWork, policy: Policy, id_tag: str, at: str, by: str) -> TagData:
    """Remove a card and return it. What chargers read instead of it goes with it, and is nobody's.
    Raises UnknownTag."""
    key = policy.key(id_tag)
    forms = [*tags.other_forms(db, key)]
    removed = tags.remove(db, policy, id_tag, at, by)
    if removed.same_as is not None:
        forms.append(key)
    for form in forms:
        leave(db, Thing(What.TAG, form), TimeSpan(at), Said(at, by))
    return removed


_PHONE: Final = (
    "SELECT tag.id_tag FROM ownership JOIN tag ON tag.key = ownership.key "
    "WHERE account_id = ?1 AND what = 'tag' AND voided_at IS NULL "
    "AND coalesce(until, '9999') > ?2 AND is_phone = 1 AND tag.ended_at IS NULL "
    "AND status = 'Accepted' AND coalesce(expires_at, '9999') > ?2"
)


def phone(db: UnitOfWork, policy: Policy, account: int, new: str, at: str, _by: str) -> str:
    """Return the tag as which a household charges that starts by phone: a new one, if it has
    none."""
    known = db.row(_PHONE, (account, at))
    if known is not None:
        return str(known[0])
    # what names a driver can be deleted, but the periods of a tag cannot
    said = Said(at, f"household {account}")
    tags.add(db, policy, TagData(id_tag=new, is_phone=True), at, said.by)
    # Chargers' clocks differ, so it holds since the household is there.
    thing, since = Thing(What.TAG, policy.key(new)), find(db, account).since
    give(db, account, NamedThing(thing, new), TimeSpan(since), said)
    return new


def name_space(db: UnitOfWork, thing: Thing, name: str) -> None:
    """Name a space."""
    db.execute(
        "INSERT INTO space (cp_id, conn_id, name) VALUES (?, ?, ?)"
        " ON CONFLICT (cp_id, conn_id) DO UPDATE SET name = excluded.name",
        (thing.key, thing.connector, name),
    )


def space_name(db: UnitOfWork, thing: Thing) -> str | None:
    """Return the name of a space."""
    row = db.row("SELECT name FROM space WHERE cp_id = ? AND conn_id = ?", thing[1:])
    return None if row is None else str(row[0])


def _check(db: UnitOfWork, belonging: NamedThing) -> None:
    if belonging.thing.what is not What.SPACE:
        return
    try:
        hiding.check_known(db, belonging.thing.key)
    except UnknownIdentity:
        words = Told(
            "there is no charger {1}; it must have connected before, or be added",
            belonging.thing.key,
        )
        raise ChangeRefused(RefusalCode.NOT_FOUND, words, "charger") from None


def _apply(
    db: UnitOfWork, belonging: NamedThing, change: OwnershipChange, span: TimeSpan, said: Said
) -> list[Touched]:
    if change.deprived is not None and not said.reason:
        name = name_of(db.rows, change.deprived.account)
        words = _needs_reason(name, change.deprived.span)
        raise ChangeRefused(RefusalCode.NEEDS_REASON, words, "reason")
    for one in change.ends:
        _end(db, belonging.thing, one, span.since, said)
    for one in change.voids:
        _void(db, belonging.thing, one, said)
    begun = [_begin(db, belonging, one, said) for one in change.begins]
    return [
        *(Touched("ended", one.id) for one in change.ends),
        *(Touched("voided", one.id) for one in change.voids),
        *(Touched("begun", number) for number in begun),
    ]


def _needs_reason(name: str, span: TimeSpan) -> Told:
    words = Told("it belongs to household {1} since {2}", name, Moment(span.since))
    if span.until is not None:
        words = Told(
            "it belongs to household {1} from {2} until {3}",
            *(name, Moment(span.since), Moment(span.until)),
        )
    return Told("{1}; give a reason to take time before now from that one", words)


_GIVEN_AWAY: Final = N_(
    {
        What.TAG: "a card of household {1} was given away or taken since; change it by hand",
        What.SPACE: "a space of household {1} was given away or taken since; change it by hand",
        What.VEHICLE: "a car of household {1} was given away or taken since; change it by hand",
    }
)


def undo(db: UnitOfWork, touched: Touched, said: Said) -> None:
    """Void a period that a change began; let one hold again that it ended or voided. Raises
    ChangeRefused if something has changed it since."""
    row = db.row(
        "SELECT what, key, conn_id, account_id, since, until, vehicle_id, is_exclusive, ended_at, "
        "voided_at "
        "FROM ownership WHERE id = ?",
        (touched.id,),
    )
    assert row is not None  # noqa: S101 - periods are never deleted
    thing, (account, since, until, vehicle, is_exclusive, ended_at, voided_at) = (
        Thing(What(row[0]), *row[1:3]),
        row[3:],
    )
    is_untouched = voided_at is None and (ended_at is None or touched.change == "ended")
    if not is_untouched and touched.change != "voided":
        words = Told(_GIVEN_AWAY[thing.what], name_of(db.rows, account))
        raise ChangeRefused(RefusalCode.CONFLICT, words, thing.what)
    ends = until if touched.change == "voided" else None
    period = OwnershipPeriod(
        account, TimeSpan(since, ends), vehicle, touched.id, is_exclusive=bool(is_exclusive)
    )
    if touched.change != "voided":
        _void(db, thing, period._replace(span=TimeSpan(since, until)), said)
    if touched.change != "begun":
        _begin(db, NamedThing(thing), period, said)


def _end(db: UnitOfWork, thing: Thing, period: OwnershipPeriod, until: str, said: Said) -> None:
    db.execute(
        "UPDATE ownership SET (until, ended_at, ended_by, end_reason) = (?, ?, ?, ?) WHERE id = ?",
        (until, said.at, said.by, said.reason, period.id),
    )
    if thing.what is What.TAG and until <= said.at:
        # Whoever has the card next is not called like this driver at another backend.
        aliases = "DELETE FROM backend_card WHERE tag_key = ? AND alias IS NOT NULL"
        db.execute(aliases, (thing.key,))
    _record(db, thing, period._replace(span=TimeSpan(period.span.since, until)), "ended", said)


def _void(db: UnitOfWork, thing: Thing, period: OwnershipPeriod, said: Said) -> None:
    db.execute(
        "UPDATE ownership SET (voided_at, voided_by, void_reason) = (?, ?, ?) WHERE id = ?",
        (said.at, said.by, said.reason, period.id),
    )
    _record(db, thing, period, "voided", said)


def _begin(db: UnitOfWork, belonging: NamedThing, period: OwnershipPeriod, said: Said) -> int:
    """Enter a period and return its number: what is wanted, or what stays of one before, with its
    tag as entered."""
    thing = belonging.thing
    id_tag = belonging.id_tag
    if period.id:
        ((id_tag,),) = db.rows("SELECT id_tag FROM ownership WHERE id = ?", (period.id,))
    number = db.insert(
        (
            f"INSERT INTO ownership ({_COLUMNS}) "  # noqa: S608
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id"
        ),
        (period.account, *thing, id_tag, period.vehicle, *period.span, *said, period.is_exclusive),
    )
    _record(db, thing, period._replace(id=number), "given", said)
    return number


def _record(db: UnitOfWork, thing: Thing, period: OwnershipPeriod, change: str, said: Said) -> None:
    db.record(
        OwnershipChanged(
            charger=None,
            at=said.at,
            ownership=period.id,
            account=period.account,
            change=change,
            what=thing.what,
            key=thing.key,
            connector=thing.connector,
            vehicle=period.vehicle,
            exclusive=period.is_exclusive,
            since=period.span.since,
            until=period.span.until,
            by=said.by,
        )
    )


# After a start


def rekey(db: UnitOfWork, policy: Policy) -> None:
    """Store normal forms anew after --tag-strip has changed. Raises SameTag."""
    of_tags = (
        "SELECT id, key, id_tag, since, until FROM ownership "
        "WHERE what = 'tag' AND voided_at IS NULL ORDER BY key"
    )
    changed = [
        (policy.key(row[2]), *row) for row in db.rows(of_tags) if policy.key(row[2]) != row[1]
    ]
    if changed:
        list_all(db)
    for _, number, *_ in changed:  # no two rows may overlap, not even meanwhile
        db.execute("UPDATE ownership SET key = ? WHERE id = ?", (f"\n{number}", number))
    for key, number, _, id_tag, since, until in changed:
        if any(
            one.span.overlaps(TimeSpan(since, until))
            for one in periods_of(db.rows, Thing(What.TAG, key))
        ):
            raise SameTag(id_tag)
        db.execute("UPDATE ownership SET key = ? WHERE id = ?", (key, number))


@noun
class VehicleData(Car):
    """A vehicle as an operator gives it; `battery_wh` is the capacity of its battery."""

    battery_wh: int | None = None


VEHICLE: Final = RecordTable("vehicle", VehicleData)


def add_vehicle(db: UnitOfWork, data: VehicleData, at: str, by: str) -> int:
    """Add a vehicle and return its number. Raises ChangeRefused."""
    _check_vehicle(db, data, None)
    number = VEHICLE.add(db, data, created_at=at, created_by=by, updated_at=at)
    db.record(VehicleChanged(charger=None, at=at, vehicle=number, change="added", by=by))
    return number


def change_vehicle(
    db: UnitOfWork, number: int, fields: Mapping[str, Any], at: str, by: str
) -> ChangeResult:
    """Change fields of a vehicle, named as in VehicleData. Raises ChangeRefused."""
    before = find_vehicle(db, number)
    after = replace(before, **fields)
    if after == before:
        return ChangeResult(number, "same")
    _check_vehicle(db, after, number)
    VEHICLE.change(db, after, "id = ?", (number,), updated_at=at)
    db.record(VehicleChanged(charger=None, at=at, vehicle=number, change="changed", by=by))
    return ChangeResult(number, "changed")


def remove_vehicle(db: UnitOfWork, number: int, said: Said) -> None:
    """Hide a vehicle, which belongs to nobody from now on. Raises ChangeRefused."""
    find_vehicle(db, number)
    leave(db, Thing(What.VEHICLE, str(number)), TimeSpan(said.at), said)
    db.execute(
        "UPDATE vehicle SET removed_at = ?1, updated_at = ?1 WHERE id = ?2", (said.at, number)
    )
    db.record(
        VehicleChanged(charger=None, at=said.at, vehicle=number, change="removed", by=said.by)
    )


def find_vehicle(db: UnitOfWork, number: int) -> VehicleData:
    """Return a vehicle that was not removed. Raises ChangeRefused."""
    found = VEHICLE.find(db, "id = ? AND removed_at IS NULL", (number,))
    if found is None:
        raise ChangeRefused(RefusalCode.NOT_FOUND, Told("there is no car {1}", number), "vehicle")
    return found


def vehicle_named(db: UnitOfWork, name: str) -> int | None:
    """Return the number of a vehicle by its name, None if there is none."""
    row = db.row("SELECT id FROM vehicle WHERE name = ? AND removed_at IS NULL", (name,))
    return None if row is None else int(row[0])


def vehicle_number(db: UnitOfWork, name: str) -> int:
    """Return the number of a vehicle by its name or, if it is a whole number, by that. Raises
    ChangeRefused."""
    return accounts.number_of(db, "vehicle", name, "removed_at IS NULL")


def _check_vehicle(db: UnitOfWork, data: VehicleData, number: int | None) -> None:
    check_name(data.name)
    other = vehicle_named(db, data.name)
    if other is not None and other != number:
        raise ChangeRefused(
            RefusalCode.IN_USE, Told("car {1} has this name; choose another", other), "name"
        )


_IS_OWN: Final = (
    "SELECT 1 FROM ownership WHERE account_id = ?1 AND {} AND voided_at IS NULL AND since <= ?3"
    " AND coalesce(until, '9999') > ?3 LIMIT 1"
)
_OWN: Final = {
    What.TAG: _IS_OWN.format("what = 'tag' AND key = ?2"),
    What.VEHICLE: _IS_OWN.format("CAST(vehicle_id AS TEXT) = ?2"),
}
"""Whether something is an account's: a vehicle also if only one of its tags names it."""
_NAME: Final = (
    "INSERT INTO own_name (account_id, what, key, name, set_at) "
    "VALUES (?, ?, ?, ?, ?) ON CONFLICT (account_id, what, key) "
    "DO UPDATE SET name = excluded.name, set_at = excluded.set_at"
)
_FORGET: Final = "DELETE FROM own_name WHERE account_id = ?"


def name_own(db: UnitOfWork, account: int, thing: Thing, words: str | None, at: str) -> bool:
    """Name a card or a car of an account, or (None) take its name away; return whether it is the
    account's."""
    if db.row(_OWN[thing.what], (account, thing.key, at)) is None:
        return False
    if words is None:
        db.execute(f"{_FORGET} AND what = ? AND key = ?", (account, thing.what.value, thing.key))
    else:
        db.execute(_NAME, (account, thing.what.value, thing.key, words, at))
    return True


def forget_own_names(db: UnitOfWork, account: int) -> None:
    """Delete all names that an account gave."""
    db.execute(_FORGET, (account,))


_CHOSEN: Final = (
    "INSERT INTO car_price (account_id, vehicle_id, month, way, currency, price, base_fee, "
    "year_wh, chosen_at, chosen_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


def choose_car_price(
    db: UnitOfWork, account: int, vehicle: int, price: CarPrice, at: str, by: str
) -> None:
    """Choose by what the electricity of a car is counted. Raises ChangeRefused."""
    if name_of_car(db.rows, account, vehicle) is None:
        words = Told("household {1} has no car {2}", name_of(db.rows, account), vehicle)
        raise ChangeRefused(RefusalCode.NOT_FOUND, words)

    year = int(price.month[:4])
    if price.way is PriceWay.FLAT and year < FIRST_FLAT_YEAR:
        words = Told("there is a flat price of a kWh from {1} on only", FIRST_FLAT_YEAR)
        raise ChangeRefused(RefusalCode.CONFLICT, words, "way")

    # The tax office lets nobody choose for each month what is more.
    for chosen in car_prices(db.rows, account, vehicle, year):
        if chosen.way is not price.way:
            words = Told(
                "another way was chosen for this car in {1}: one holds for a calendar year", year
            )
            raise ChangeRefused(RefusalCode.CONFLICT, words, "way")
    exact = None if price.price is None else f"{price.price:f}"
    db.execute(
        _CHOSEN,
        (
            *(account, vehicle, price.month, price.way.value, price.currency, exact),
            *(price.base_fee, price.year_wh, at, by),
        ),
    )

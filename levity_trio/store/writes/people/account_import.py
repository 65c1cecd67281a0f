"""Imports of accounts, tags, spaces and vehicles: all lines of a file in one write, or none.

A line says what holds; one that holds already changes nothing, so a file can be imported again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple, TypeVar

from levity_trio.access.tags import Policy
from levity_trio.billing.ownership import Thing, TimeSpan, What
from levity_trio.store.engine.unit_of_work import UnitOfWork
from levity_trio.store.writes.people import accounts, ownership, tags, vehicles
from levity_trio.store.writes.people.accounts import AccountData, ChangeRefused
from levity_trio.store.writes.people.ownership import NamedThing, Said
from levity_trio.store.writes.people.vehicles import VehicleData
from levity_trio.told import Told

T = TypeVar("T")
ADDED, CHANGED, SAME = "added", "changed", "same"
NAME: Final = "name"


class LineFault(NamedTuple):
    """What is wrong with a line; `place` counts the lines with content from 0 on."""

    place: int
    field: str
    words: str


class ImportRefused(Exception):
    """Nothing was imported; these lines are wrong."""

    def __init__(self, faults: Sequence[LineFault]) -> None:
        super().__init__(faults)
        self.faults = faults


class OwnedLine(NamedTuple):
    """A line about a thing: `account` and `vehicle` are names or numbers. Without `since`, from now
    on."""

    account: str | None
    thing: Thing | None = None
    id_tag: str | None = None
    vehicle: str | None = None
    space: str | None = None
    since: str | None = None
    until: str | None = None
    reason: str | None = None
    is_exclusive: bool | None = None


class VehicleLine(NamedTuple):
    """A line about a vehicle: its fields, and whose it is."""

    fields: Mapping[str, Any]
    owned: OwnedLine


def import_accounts(
    db: UnitOfWork, lines: Sequence[Mapping[str, Any]], at: str, by: str, today: str
) -> list[str]:
    """Add and change accounts by their names; new ones are open since today, if the line does not
    say. Return results.

    Raises ImportRefused.
    """
    seen: set[str] = set()

    def apply(fields: Mapping[str, Any]) -> str:
        name = fields[NAME]
        if name.lower() in seen:
            raise ChangeRefused(
                accounts.RefusalCode.CONFLICT,
                Told("a line before has the same name; keep one"),
                NAME,
            )
        seen.add(name.lower())
        row = db.row("SELECT id FROM account WHERE name = ?", (name,))
        if row is not None:
            given = {
                field: value for field, value in fields.items() if (field, value) != ("since", None)
            }
            return accounts.change(db, row[0], given, at, by).word
        blank = AccountData(name=name, since=today)
        accounts.add(
            db, replace(blank, **{field: value for field, value in fields.items() if value}), at, by
        )
        return ADDED

    return each(lines, apply)


def import_owned(
    db: UnitOfWork, lines: Sequence[OwnedLine], at: str, by: str, policy: Policy
) -> list[str]:
    """Give tags or spaces to accounts; return what became of each line. Raises ImportRefused.

    A tag that a line gives is admitted; one that it had already is not, because it may have been
    removed since.
    """
    once = Once()

    def apply(line: OwnedLine) -> str:
        is_changed = _own(db, once, line, at, by)
        if is_changed and line.id_tag is not None:
            tags.admit(db, policy, line.id_tag, line.until, at, by)
        return CHANGED if is_changed else SAME

    return each(lines, apply)


def import_vehicles(db: UnitOfWork, lines: Sequence[VehicleLine], at: str, by: str) -> list[str]:
    """Add and change vehicles by their names, and give them to accounts. Return results. Raises
    ImportRefused."""
    once = Once()

    def apply(line: VehicleLine) -> str:
        number, word = vehicles.named(db, line.fields[NAME]), ADDED
        if number is None:
            number = vehicles.add(db, VehicleData(**line.fields), at, by)
        else:
            word = vehicles.change(db, number, line.fields, at, by).word
        thing = Thing(What.VEHICLE, str(number))
        is_given = line.owned.account is not None and _own(
            db, once, line.owned._replace(thing=thing), at, by
        )
        return CHANGED if is_given and word == SAME else word

    return each(lines, apply)


class Once:
    """Refuses a second line about the same thing at the same time."""

    def __init__(self) -> None:
        self._spans: dict[Thing, list[TimeSpan]] = {}

    def check(self, thing: Thing, span: TimeSpan) -> None:
        spans = self._spans.setdefault(thing, [])
        if any(one.overlaps(span) for one in spans):
            raise ChangeRefused(
                accounts.RefusalCode.CONFLICT,
                Told("a line before says whose it is at the same time; keep one"),
                "since",
            )
        spans.append(span)


def _own(db: UnitOfWork, once: Once, line: OwnedLine, at: str, by: str) -> bool:
    """Make a thing belong to the account of a line; return whether that changed anything. Raises
    ChangeRefused."""
    thing, account = line.thing, accounts.number_of(db, "account", line.account or "")
    assert thing is not None  # noqa: S101 - the line of a vehicle was given its thing
    vehicle = None if line.vehicle is None else vehicles.number_of(db, line.vehicle)
    span = TimeSpan(line.since or at, line.until)
    once.check(thing, span)
    named = NamedThing(thing, line.id_tag, vehicle, is_exclusive=line.is_exclusive)
    touched = ownership.give(db, account, named, span, Said(at, by, line.reason))
    return _name_space(db, thing, line.space) or bool(touched)


def _name_space(db: UnitOfWork, thing: Thing, name: str | None) -> bool:
    if name is None or ownership.space_name(db, thing) == name:
        return False
    ownership.name_space(db, thing, name)
    return True


def each(lines: Sequence[T], apply: Callable[[T], str]) -> list[str]:
    """Apply every line, to find all that is wrong; return what became of each. Raises
    ImportRefused."""
    faults: list[LineFault] = []

    def results() -> Iterator[str]:
        for place, line in enumerate(lines):
            try:
                yield apply(line)
            except ChangeRefused as refused:
                faults.append(LineFault(place, refused.field, refused.words))

    problems = list(results())
    if faults:
        raise ImportRefused(faults)
    return problems

"""What an owner does to whole households: enters a list of them, moves one in, moves one out,
undoes that, and deletes what is personal.

Each is one write, and stores its steps with what held before, so that it can be undone until
something of it is billed. A request that is repeated, as after a double click, is known by its key:
it changes nothing, and has the same answer.

Files of accounts, tags, spaces and vehicles are imported in one write, or not at all. A line says
what holds; one that holds already changes nothing, so a file can be imported again.

What is personal of an account is deleted after it has moved out. Its number stays, and stands for
it everywhere. At once go its name, address, mail, contact and notes; the names of vehicles and
spaces that were only its own; the names and notes that its tags had, also those of its own, and
what backends call those that nobody else has had since; the names of its drivers, who can no longer
log in, and where they did; the addresses of its recipients, and what was sent to them or about its
reports; what they reported, with the answers; by what its bank accounts are known again; and the
reasons that were given for what belonged to it. What stands on closed statements, what was written
about entries of its ledger, and why a figure or a price is what it is, stays for the years of
keeping (`forget_due`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from enum import StrEnum
from typing import Any, Final, NamedTuple, TypeVar

import orjson

from levity_trio.access.tags import Policy, Status
from levity_trio.billing.ownership import Thing, TimeSpan, What
from levity_trio.events import AccountChanged, VehicleChanged
from levity_trio.nouns import User
from levity_trio.store.cases.transaction import NO_PERSONS, SYSTEM
from levity_trio.store.engine.database import UnitOfWork, marks, parts
from levity_trio.store.lookups.places import NAMED, folded
from levity_trio.store.reads.money.wallets import EntryRow, TermsRow
from levity_trio.store.reads.people.households import Belonging, obstacle
from levity_trio.store.writes.money import ledger, tariffs
from levity_trio.store.writes.money.tariffs import Assigning
from levity_trio.store.writes.people import accounts, messages, ownership, tags, users
from levity_trio.store.writes.people.accounts import AccountData, ChangeRefused, RefusalCode
from levity_trio.store.writes.people.ownership import NamedThing, Said, Touched, VehicleData
from levity_trio.store.writes.people.tags import TagData
from levity_trio.store.writes.people.users import Manager, NewInvitation
from levity_trio.store.writes.stored import RecordTable
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
        number, word = ownership.vehicle_named(db, line.fields[NAME]), ADDED
        if number is None:
            number = ownership.add_vehicle(db, VehicleData(**line.fields), at, by)
        else:
            word = ownership.change_vehicle(db, number, line.fields, at, by).word
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
    vehicle = None if line.vehicle is None else ownership.vehicle_number(db, line.vehicle)
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


UNDONE: Final = "undone"
MOVED_OUT: Final = "moved out"
LONGEST_NAME: Final = 200
_NUMBERED: Final = re.compile(
    r"(?P<place>.+?)(?<![\s,/:-])[\s,/:-]++(?:connector\s+)?(?P<connector>[1-9][0-9]?)"
)
_LAST_NUMBER: Final = re.compile(r"0*([0-9]+)\D*$")
_HELD: Final = (
    "SELECT what, key, conn_id, id_tag, max(since, ?2), until FROM ownership WHERE account_id = ?1"
    " AND voided_at IS NULL AND coalesce(until, '9999') > ?2 ORDER BY id"
)
Step = Sequence[Any]
"""What a step changed, by its word and numbers."""


class HouseholdTaskKind(StrEnum):
    """What was done to households."""

    ENTERED = "entered"
    MOVED_IN = "moved in"
    MOVED_OUT = "moved out"


class ListedHousehold(NamedTuple):
    """A household as it stands on a list: `space` is what people call it. Times are in the
    database's format."""

    name: str
    since: str
    card: str | None = None
    space: str | None = None
    vehicle: str | None = None
    is_exclusive: bool | None = None
    """Whether the space is for this household only; None: as it is."""
    address: str | None = None
    mail: str | None = None


class MovingIn(NamedTuple):
    """A household that moves in. `tariff` makes what holds for it of its number; the driver is
    invited."""

    account: AccountData
    household: ListedHousehold
    plate: str | None = None
    tariff: Callable[[int], Assigning] | None = None
    driver: str | None = None
    invitation: NewInvitation | None = None


class Done(NamedTuple):
    """A task that was done, now or by the same request before: the account of each row, and what
    became of it.

    `user` and `invitation` are those of a driver who was added.
    """

    task: int
    results: Sequence[tuple[int, str]]
    user: int | None = None
    invitation: int | None = None


def enter(
    db: UnitOfWork,
    rows: Sequence[ListedHousehold | ChangeRefused],
    policy: Policy,
    said: Said,
    key: str | None,
) -> Done:
    """Enter households with their cards, spaces and cars: all rows, or none. Raises ImportRefused.

    A row says what holds: of a household that lives here already only what is new is entered. One
    that could not be read is given as what is wrong with it, so that all faults are told at once.
    """
    if (before := _repeated(db, key)) is not None:
        return before
    entry = _HouseholdEntering(db, policy, said)
    results: list[tuple[int, str]] = []

    def apply(row: ListedHousehold | ChangeRefused) -> str:
        if isinstance(row, ChangeRefused):
            raise row
        results.append(entry.add(row))
        return results[-1][1]

    each(rows, apply)
    return _store(db, HouseholdTaskKind.ENTERED, entry.steps, results, said, key)


def move_in(
    db: UnitOfWork, new: MovingIn, policy: Policy, said: Said, manager: Manager, key: str | None
) -> Done:
    """Add a household with all that it gets. Raises ChangeRefused, NotAllowed."""
    if (before := _repeated(db, key)) is not None:
        return before
    entry, invitation = _HouseholdEntering(db, policy, said), None
    number = accounts.add(db, new.account, said.at, said.by)
    entry.steps.append(("account", number))
    entry.give(number, new.household, new.plate)
    if new.tariff is not None:
        assigned = tariffs.assign(db, new.tariff(number), None, said)
        entry.steps.append(("tariff", assigned.id))
    if new.driver is not None:
        user, invitation = users.add(
            db,
            User(name=new.driver, role=users.DRIVER, account=number),
            None,
            new.invitation,
            manager,
        )
        entry.steps.append(("user", user))
    done = _store(db, HouseholdTaskKind.MOVED_IN, entry.steps, [(number, ADDED)], said, key)
    return done._replace(invitation=invitation)


class MovingOut(NamedTuple):
    """A household moves out at a time; `is_blocking` its cards, which it has not given back."""

    account: int
    until: str
    is_blocking: bool = False


def move_out(db: UnitOfWork, leaving: MovingOut, policy: Policy, said: Said) -> Done:
    """Close an account, and end what belongs to it, its cards and its drivers' log-ins then. Raises
    ChangeRefused."""
    number, until = leaving.account, leaving.until
    account = accounts.find(db, number)
    before = account.until
    if before is not None and before <= said.at:
        words = Told(
            "household {1} has moved out already; undo that first, to change the day", account.name
        )
        raise ChangeRefused(RefusalCode.CONFLICT, words, "until")
    if leaving.is_blocking and until > said.at:
        words = Told(
            "the last day is still to come: the cards end with it, and can be blocked after it"
        )
        raise ChangeRefused(RefusalCode.CONFLICT, words, "cards")
    accounts.change(db, number, {"until": until}, said.at, said.by)
    steps: list[Step] = [("closed", number, before)]
    because = said._replace(reason=said.reason or MOVED_OUT)
    for what, key, connector, id_tag, since, ends in db.rows(_HELD, (number, until)):
        steps += ownership.leave(
            db, Thing(What(what), key, connector), TimeSpan(since, ends), because
        )
        if what == What.TAG:
            steps += _end_card(db, policy, id_tag, leaving, said)
    steps += [
        ("user ends", user, ends_at) for user, ends_at in users.end_drivers(db, number, until)
    ]
    return _store(db, HouseholdTaskKind.MOVED_OUT, steps, [(number, MOVED_OUT)], said, None)


def undo(db: UnitOfWork, task: int, policy: Policy, manager: Manager) -> Done:
    """Take back what a task did; repeated, it changes nothing. Raises ChangeRefused if some of it
    was billed or changed."""
    row = db.row("SELECT steps, results, undone_at FROM household_task WHERE id = ?", (task,))
    if row is None:
        raise ChangeRefused(RefusalCode.NOT_FOUND, Told("there is no task {1} of households", task))
    steps, results = map(orjson.loads, row[:2])
    done = Done(task, [(number, word) for number, word in results])
    if row[2] is not None:
        return done
    said = Said(manager.at, manager.name, UNDONE)
    if (words := obstacle(db.rows, task)) is not None:
        raise ChangeRefused(RefusalCode.CONFLICT, words)
    for word, *values in reversed(steps):
        _UNDOING[word](db, values, policy, said)
    db.execute(
        "UPDATE household_task SET (undone_at, undone_by) = (?, ?) WHERE id = ?",
        (said.at, said.by, task),
    )
    return done


# Steps


class _HouseholdEntering:
    """Enters households one after the other, and keeps the steps."""

    def __init__(self, db: UnitOfWork, policy: Policy, said: Said) -> None:
        self._db, self._policy, self._said = db, policy, said
        self._once, self._places = Once(), PlaceFinder(db)
        self.steps: list[Step] = []

    def add(self, row: ListedHousehold) -> tuple[int, str]:
        """Enter a row; return its account, and what became of it. Raises ChangeRefused."""
        known = self._db.row("SELECT id, until FROM account WHERE name = ?", (row.name,))
        if known is not None and known[1] is not None and known[1] <= max(row.since, self._said.at):
            words = Told(
                "this household moved out; give the new one another name, such as one with its "
                "family name"
            )
            raise ChangeRefused(RefusalCode.IN_USE, words, "name")
        before = len(self.steps)
        if known is None:
            data = AccountData(name=row.name, since=row.since, address=row.address, mail=row.mail)
            known = (accounts.add(self._db, data, self._said.at, self._said.by),)
            self.steps.append(("account", known[0]))
        word = ADDED if len(self.steps) > before else CHANGED
        self._fill(known[0], {"address": row.address, "mail": row.mail})
        self.give(known[0], row)
        return known[0], word if len(self.steps) > before else SAME

    def _fill(self, account: int, given: Mapping[str, str | None]) -> None:
        """Enter what an account has not yet. Raises ChangeRefused for what it has otherwise."""
        known = accounts.find(self._db, account)
        new: dict[str, str] = {}
        for name, value in given.items():
            before = getattr(known, name)
            if value and before and before != value:
                words = Told("this household has another one; change it on its page")
                raise ChangeRefused(RefusalCode.CONFLICT, words, name)
            if value and not before:
                new[name] = value
        if new:
            accounts.change(self._db, account, new, self._said.at, self._said.by)
            self.steps.append(("filled", account, *new))

    def give(self, account: int, row: ListedHousehold, plate: str | None = None) -> None:
        """Give an account what its row names. Raises ChangeRefused, with the field of what is
        wrong."""
        vehicle = None if row.vehicle is None else self._vehicle(account, row, row.vehicle, plate)
        if row.card is not None:
            thing = Thing(What.TAG, self._policy.key(row.card))
            self._own(account, NamedThing(thing, row.card, vehicle), row.since, "card")
            self.steps += _admit(self._db, self._policy, row.card, self._said)
        if row.space is not None:
            place = NamedThing(self._places.find(row.space), is_exclusive=row.is_exclusive)
            self._own(account, place, row.since, "space")
        if vehicle is not None:
            self._own(
                account,
                NamedThing(Thing(What.VEHICLE, str(vehicle)), None, vehicle),
                row.since,
                "car",
            )

    def _own(self, account: int, named: NamedThing, since: str, field: str) -> None:
        try:
            self._once.check(named.thing, TimeSpan(since))
            self.steps += ownership.give(self._db, account, named, TimeSpan(since), self._said)
        except ChangeRefused as refused:
            words = refused.words
            if refused.code is RefusalCode.NEEDS_REASON:
                owner = self._owner(named.thing)
                words = Told(
                    "it belongs to {1}; move that household out first, or take it away from it",
                    owner,
                )
            raise ChangeRefused(RefusalCode.CONFLICT, words, field) from None

    def _owner(self, thing: Thing) -> str:
        """Return the name of the household whose a thing was last."""
        ((name,),) = self._db.rows(
            "SELECT name FROM ownership "
            "JOIN account ON account.id = account_id "
            "WHERE what = ? AND key = ? AND conn_id = ? AND voided_at IS NULL "
            "ORDER BY ownership.since DESC LIMIT 1",
            thing,
        )
        return str(name)

    def _vehicle(self, account: int, row: ListedHousehold, name: str, plate: str | None) -> int:
        """Return the car of a household, or one of nobody, with this name; else a new one. Cars of
        several households may be called the same on paper: the next one also has the name of its
        household."""
        behind = f" ({row.name})"
        names = (name, f"{name[: LONGEST_NAME - len(behind)]}{behind}")
        for known in names:
            number = ownership.vehicle_named(self._db, known)
            if number is not None and not self._is_others(number, account, row.since):
                return number
        new = names[0] if ownership.vehicle_named(self._db, names[0]) is None else names[1]
        try:
            number = ownership.add_vehicle(
                self._db, VehicleData(name=new, plate=plate), self._said.at, self._said.by
            )
        except ChangeRefused as refused:
            raise ChangeRefused(refused.code, refused.words, "car") from None
        self.steps.append(("vehicle", number))
        return number

    def _is_others(self, vehicle: int, account: int, since: str) -> bool:
        """Whether a car belongs to another household at a time or later, or a card of one names
        it."""
        sql = (
            "SELECT 1 FROM ownership WHERE vehicle_id = ? AND account_id <> ? AND voided_at IS NULL"
            " AND coalesce(until, '9999') > ? LIMIT 1"
        )
        return self._db.row(sql, (vehicle, account, since)) is not None


class PlaceFinder:
    """Finds chargers and spaces by what people call them."""

    def __init__(self, db: UnitOfWork) -> None:
        self._every = [
            (name, Thing(What.SPACE, charger, connector))
            for name, charger, connector in db.rows(NAMED)
        ]
        self._named = [(name, thing) for name, thing in self._every if name != thing.key]

    def find(self, text: str) -> Thing:
        """Return what has this name or identity, a connector behind it, or this number in its name.
        Raises ChangeRefused."""
        found = self._called(text) or self._connector(text) or self._numbered(text)
        if len(found) != 1:
            words = (
                Told(
                    "several chargers or spaces are called {1}; give the identity of one",
                    repr(text),
                )
                if found
                else Told(
                    "there is no charger or space {1}; it must have connected before, or be added",
                    repr(text),
                )
            )
            raise ChangeRefused(
                RefusalCode.CONFLICT if found else RefusalCode.NOT_FOUND, words, "space"
            )
        return found.pop()

    def _called(self, text: str) -> set[Thing]:
        wanted = folded(text)
        return {thing for name, thing in self._every if folded(name) == wanted}

    def _connector(self, text: str) -> set[Thing]:
        parts = _NUMBERED.fullmatch(text.strip())
        chargers = (
            set()
            if parts is None
            else {one for one in self._called(parts["place"]) if not one.connector}
        )
        return {
            one._replace(connector=int(parts["connector"])) for one in chargers if parts is not None
        }

    def _numbered(self, text: str) -> set[Thing]:
        """Return what is numbered so: on paper, Space 4 is a 4."""
        number = text.strip().lstrip("0")
        by_name = {thing for name, thing in self._named if _number_of(name) == number}
        return by_name or {thing for name, thing in self._every if _number_of(name) == number}


def _number_of(name: str) -> str | None:
    found = _LAST_NUMBER.search(name)
    return None if found is None else found[1]


def _admit(db: UnitOfWork, policy: Policy, card: str, said: Said) -> list[Step]:
    """Let a card charge: whoever gives one means that. One that ended when somebody moved out is
    valid again."""
    key = policy.key(card)
    before = tags.find_tag(db, key)
    if before is None:
        tags.admit(db, policy, card, None, said.at, said.by)
        return [] if tags.find_tag(db, key) is None else [("card added", key)]
    if before.status == Status.BLOCKED:
        raise ChangeRefused(
            RefusalCode.CONFLICT,
            Told("this card is blocked; unblock it first, or give another"),
            "card",
        )
    if before.expires_at is None or before.expires_at > said.at:
        return []
    tags.change(db, policy, card, {"expires_at": None}, said.at, said.by)
    return [("card", key, card, before.status, before.expires_at)]


def _end_card(
    db: UnitOfWork, policy: Policy, card: str, leaving: MovingOut, said: Said
) -> list[Step]:
    """Let a card end with its household, or block it. An unknown one might charge, so it is known
    from now on."""
    key = policy.key(card)
    before = tags.find_tag(db, key)
    if before is None:
        tags.add(db, policy, TagData(id_tag=card), said.at, said.by)
    known = before or TagData(id_tag=card)
    fields = {"status": Status.BLOCKED} if leaving.is_blocking else {"expires_at": leaving.until}
    if (
        not leaving.is_blocking
        and known.expires_at is not None
        and known.expires_at <= leaving.until
    ):
        return []
    tags.change(db, policy, card, fields, said.at, said.by)
    return (
        [("card added", key)]
        if before is None
        else [("card", key, card, before.status, before.expires_at)]
    )


def _undo_account(db: UnitOfWork, values: Step, _policy: Policy, said: Said) -> None:
    accounts.undo(db, values[0], said.at, said.by)


def _undo_filled(db: UnitOfWork, values: Step, _policy: Policy, said: Said) -> None:
    number, *names = values
    accounts.change(db, number, dict.fromkeys(names), said.at, said.by)


def _undo_closed(db: UnitOfWork, values: Step, _policy: Policy, said: Said) -> None:
    number, before = values
    accounts.change(db, number, {"until": before}, said.at, said.by)


def _undo_card(db: UnitOfWork, values: Step, policy: Policy, said: Said) -> None:
    """Let a card be what it was, unless somebody removed it since."""
    key, card, status, expires_at = values
    if tags.find_tag(db, key) is not None:
        tags.change(
            db, policy, card, {"status": status, "expires_at": expires_at}, said.at, said.by
        )


def _undo_added_card(db: UnitOfWork, values: Step, policy: Policy, said: Said) -> None:
    known = tags.find_tag(db, values[0])
    if known is not None:
        tags.remove(db, policy, known.id_tag, said.at, said.by)


def _undo_vehicle(db: UnitOfWork, values: Step, _policy: Policy, said: Said) -> None:
    if (
        db.row("SELECT 1 FROM vehicle WHERE id = ? AND removed_at IS NULL", (values[0],))
        is not None
    ):
        ownership.remove_vehicle(db, values[0], said)


def _undo_tariff(db: UnitOfWork, values: Step, _policy: Policy, said: Said) -> None:
    tariffs.take_back(db, values[0], said)


def _undo_user(db: UnitOfWork, values: Step, _policy: Policy, said: Said) -> None:
    if db.row('SELECT 1 FROM "user" WHERE id = ? AND removed_at IS NULL', (values[0],)) is not None:
        users.remove(db, values[0], Manager(said.by, True, said.at))


def _undo_end(db: UnitOfWork, values: Step, _policy: Policy, _said: Said) -> None:
    users.set_end(db, *values)


def _undo_period(change: str) -> _Undoing:
    def undo(db: UnitOfWork, values: Step, _policy: Policy, said: Said) -> None:
        ownership.undo(db, Touched(change, values[0]), said)

    return undo


_Undoing = Callable[[UnitOfWork, Step, Policy, Said], None]
_UNDOING: Final[Mapping[str, _Undoing]] = {
    "account": _undo_account,
    "filled": _undo_filled,
    "closed": _undo_closed,
    "card": _undo_card,
    "card added": _undo_added_card,
    "vehicle": _undo_vehicle,
    "tariff": _undo_tariff,
    "user": _undo_user,
    "user ends": _undo_end,
    **{change: _undo_period(change) for change in ("begun", "ended", "voided")},
}
"""What undoes a step, by its word."""


# Tasks as they are stored


def _repeated(db: UnitOfWork, key: str | None) -> Done | None:
    """Return the task that this request did before."""
    row = (
        None
        if key is None
        else db.row("SELECT id, results, steps FROM household_task WHERE key = ?", (key,))
    )
    if row is None:
        return None
    user = next((step[1] for step in orjson.loads(row[2]) if step[0] == "user"), None)
    return Done(row[0], [(number, word) for number, word in orjson.loads(row[1])], user)


def _store(
    db: UnitOfWork,
    kind: HouseholdTaskKind,
    steps: Sequence[Step],
    results: Sequence[tuple[int, str]],
    said: Said,
    key: str | None,
) -> Done:
    told = [orjson.dumps([[*one] for one in some]).decode() for some in (steps, results)]
    number = db.insert(
        "INSERT INTO household_task (kind, done_at, done_by, key, steps, results) "
        "VALUES (?, ?, ?, ?, ?, ?) RETURNING id",
        (kind, said.at, said.by, key, *told),
    )
    periods = [step[1] for step in steps if step[0] in ("begun", "ended", "voided")]
    concerned = {account for account, word in results if word != SAME}
    for part in parts(periods):
        concerned |= {
            one
            for (one,) in db.rows(
                f"SELECT account_id FROM ownership WHERE id IN ({marks(part)})",  # noqa: S608 - marks
                part,
            )
        }
    for account in sorted(concerned):
        db.execute(
            "INSERT INTO household_task_account (account_id, task_id) VALUES (?, ?)",
            (account, number),
        )
    user = next((step[1] for step in steps if step[0] == "user"), None)
    return Done(number, results, user)


_OF_OTHERS: Final = (
    "EXISTS (SELECT 1 FROM ownership AS other WHERE other.what = ownership.what AND other.key = "
    "ownership.key AND other.conn_id = ownership.conn_id AND other.voided_at IS NULL AND "
    "other.account_id <> ?1)"
)
_OWN_VEHICLES: Final = (
    "SELECT DISTINCT vehicle_id FROM ownership "
    "WHERE account_id = ?1 AND vehicle_id IS NOT NULL AND voided_at IS NULL "
    "AND NOT EXISTS (SELECT 1 FROM ownership AS other WHERE other.what = 'vehicle' "
    "AND other.conn_id = 0 AND other.key = CAST(ownership.vehicle_id AS TEXT) "
    "AND other.voided_at IS NULL AND other.account_id <> ?1)"
)
_OWN_SPACES: Final = (
    "SELECT key, conn_id FROM ownership WHERE account_id = ?1 AND what = 'space'"  # noqa: S608
    f" AND NOT {_OF_OTHERS}"
)
_OTHERS_OF_TAG: Final = (
    "FROM ownership AS other "
    "WHERE other.what = 'tag' AND other.key = ownership.key AND other.conn_id = 0 "
    "AND other.voided_at IS NULL AND other.account_id <> ?1"
)
_NEVER: Final = "9999"
_TAGS: Final = (
    f"SELECT key, coalesce((SELECT max(until) {_OTHERS_OF_TAG} "  # noqa: S608
    f"AND other.until <= ownership.since), ''), coalesce((SELECT min(since) {_OTHERS_OF_TAG} "
    f"AND other.since >= ownership.until), '{_NEVER}') "
    "FROM ownership "
    "WHERE account_id = ?1 AND what = 'tag' AND voided_at IS NULL"
)
"""The tags of an account, each from the end of the owner before to the beginning of the next
one."""
_DUE_NAMES: Final = (
    "SELECT statement_id FROM personal_deletion CROSS "
    "JOIN statement USING (account_id) CROSS "
    "JOIN statement_party ON statement_id = statement.id "
    "WHERE number IS NOT NULL AND party IS NOT NULL "
    "AND date(statement.month || '-01', '+1 month', '+' || keep_years || ' years') <= ? "
    "LIMIT ?"
)
_DUE_TEXTS: Final = (
    "SELECT ledger.id FROM personal_deletion CROSS JOIN ledger USING (account_id)"
    " WHERE kind NOT IN ('statement', 'charge') AND ledger.reason <> ''"
    " AND date(entered_at, '+' || keep_years || ' years') <= ? LIMIT ?"
)
_IS_DUE: Final = "date(deleted_at, '+' || keep_years || ' years') <= ?1"
_DUE: Final = f"account_id IN (SELECT account_id FROM personal_deletion WHERE {_IS_DUE})"  # noqa: S608 - our own words
_OF_SESSIONS: Final = (
    "tx_id IN (SELECT tx_id FROM personal_deletion CROSS JOIN statement USING (account_id) CROSS "  # noqa: S608
    f"JOIN position ON statement_id = statement.id WHERE number IS NOT NULL AND {_IS_DUE} UNION "
    f"SELECT tx_id FROM tx_account WHERE {_DUE})"
)
_DUE_REASONS: Final = {
    "tx_event": f"{_OF_SESSIONS} AND who NOT IN {tuple(sorted(NO_PERSONS))}",
    "review": f"{_OF_SESSIONS} AND resolved_at IS NOT NULL",
    "tx_account": _DUE,
    "tariff_assignment": "scope = 'account' AND EXISTS (SELECT 1 FROM personal_deletion"  # noqa: S608 - our own words
    f" WHERE account_id = CAST(key AS INTEGER) AND {_IS_DUE})",
}
"""Reasons that were given for figures and prices."""
_BELONGING: Final = RecordTable("ownership", Belonging)
_TERMS: Final = RecordTable("wallet_terms", TermsRow)
_ENTRY: Final = RecordTable("ledger", EntryRow)


class Deletion(NamedTuple):
    """Who has it deleted, when and why, and for how many years closed statements keep their
    names."""

    keep_years: int
    reason: str
    at: str
    by: str


def delete_personal(db: UnitOfWork, account: int, told: Deletion) -> None:
    """Delete what is personal of a closed account. Raises ChangeRefused."""
    before = accounts.find(db, account)
    accounts.check_known(db, account)
    if before.until is None or before.until > told.at:
        raise ChangeRefused(
            RefusalCode.CONFLICT,
            Told("household {1} is open; close it first", before.name),
            "until",
        )
    accounts.forget(db, account, told.at, told.by)
    users.forget_drivers(db, account, told.at, told.by)
    _forget_vehicles(db, account, told)
    _forget_texts(db, account, told)
    ownership.forget_own_names(db, account)
    messages.forget_recipients(db, account, messages.By(told.at, told.by))
    ledger.forget(db, account)
    db.execute(
        (
            "INSERT INTO personal_deletion (account_id, keep_years, reason, deleted_at, "
            "deleted_by) "
            "VALUES (?, ?, ?, ?, ?)"
        ),
        (account, *told),
    )
    db.record(
        AccountChanged(
            charger=None,
            at=told.at,
            account=account,
            change="forgotten",
            since=before.since,
            until=before.until,
            by=told.by,
        )
    )


def _forget_vehicles(db: UnitOfWork, account: int, told: Deletion) -> None:
    for (number,) in db.rows(_OWN_VEHICLES, (account,)):
        name = f"vehicle {number}"
        known = ownership.vehicle_named(db, name)
        if known is not None and known != number:
            words = Told("car {1} has the name {2}; rename it first", known, repr(name))
            raise ChangeRefused(RefusalCode.IN_USE, words)
        ownership.VEHICLE.forget(db, "id = ?", (number,), name=name, updated_at=told.at)
        db.record(
            VehicleChanged(charger=None, at=told.at, vehicle=number, change="forgotten", by=told.by)
        )


def _forget_texts(db: UnitOfWork, account: int, told: Deletion) -> None:
    for space in db.rows(_OWN_SPACES, (account,)):
        db.execute("DELETE FROM space WHERE cp_id = ? AND conn_id = ?", space)
    for key, since, until in db.rows(_TAGS, (account,)):
        tags.KEPT_TAG.forget(
            db, "key = ? AND coalesce(ended_at, '9999') > ? AND created_at < ?", (key, since, until)
        )
        if until == _NEVER:
            # A card whose sessions are not told at all stays so.
            aliases = "DELETE FROM backend_card WHERE tag_key = ? AND alias IS NOT NULL"
            db.execute(aliases, (key,))
    _BELONGING.forget(db, "account_id = ?", (account,))
    _TERMS.forget(db, "account_id = ?", (account,))
    messages.forget_reports(db, account, told.at, told.by)


def forget_due(db: UnitOfWork, today: date, at: str, most: int) -> int:
    """Delete names and texts whose years of keeping are over, of some at most so many; return how
    many it deleted."""
    names = db.rows(_DUE_NAMES, (today.isoformat(), most))
    for (statement,) in names:
        forget = (
            "UPDATE statement_party "
            "SET party = NULL, removed_at = ?, removed_by = ? "
            "WHERE statement_id = ?"
        )
        db.execute(forget, (at, SYSTEM, statement))
    texts = db.rows(_DUE_TEXTS, (today.isoformat(), most))
    for (entry,) in texts:
        _ENTRY.forget(db, "id = ?", (entry,))
    reasons = 0
    for table, which in _DUE_REASONS.items():
        emptied = "reason = '', told = NULL" if table == "tx_event" else "reason = ''"
        gone = f"UPDATE {table} SET {emptied} WHERE reason <> '' AND {which}"  # noqa: S608 - our own words
        reasons += db.changed(gone, (today.isoformat(),))
    return len(names) + len(texts) + reasons


def rebuild_indexes(db: UnitOfWork) -> None:
    """Write the indexes of names anew: unused space of their pages may still have a name that was
    moved elsewhere."""
    db.execute("REINDEX account")
    db.execute("REINDEX vehicle")
    db.execute('REINDEX "user"')

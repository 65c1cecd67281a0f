"""The reconciliation of a month: whether the energy by the chargers' registers is the energy of all transactions.

A transaction is billed whole in the month in which it ended. So the energy by the registers is: that of the
transactions that ended in the month, less what of it flowed before the month, plus what flowed in the month of those
that ended later or are open, plus what flowed between transactions. These lines add up exactly, because each uses the
same register at the seams of the month: the last reading at or before each. What remains are figures that are not what
the register rose by, each with its reason.

One that was closed late, after later ones had begun, hides what these delivered: the registers show it at that end, and
so perhaps in another month. There it is too much, and here it is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from levity_trio.billing.courses import Course, Energy, Ground, Metered, Stretch, energy, share
from levity_trio.billing.ownership import Span
from levity_trio.billing.states import BillState

CORRECTED: Final = "corrected"
IMPORTED: Final = "imported"


class Transaction(NamedTuple):
    """A transaction of the month or next to it. `settled_by` is the person who confirmed its figure, as far as that
    explains a difference."""

    metered: Metered
    charger: str
    connector: int | None
    is_certain: bool
    settled_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StateLine:
    """The transactions of one state: how many, and their energy; of these the doubtful ones."""

    state: BillState
    transactions: int
    wh: int
    doubtful_transactions: int
    doubtful_wh: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterDifference:
    """A transaction whose register rose by another energy than its figure: by so many Wh more. `reason` is empty where
    nothing explains it."""

    transaction: int
    wh: int
    figure_wh: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """A step of a register between two transactions that is no plain difference: when, from and to what, and why.

    Of several alike, the first; `times` counts them.
    """

    connector: int | None
    since: str
    until: str
    from_wh: int | None
    to_wh: int | None
    ground: str
    times: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HidingTransaction:
    """A transaction that ended after later ones on its connector began, as an earlier system closed some: their energy
    of so many Wh is in another month by the registers than by their times."""

    transaction: int
    ended: str
    transactions: int
    wh: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """The energy of a month by the lifetime registers, each as last read before the seams of the month, and what it is
    accounted for by.

    `register_wh` is between `least_wh` and `most_wh`. Accounted for are the transactions that ended in the month and
    the open ones, by their states; less `before_wh`, what of them flowed before it; plus `later_wh`, what flowed in it
    of those that ended later; plus `between_wh`, what left between transactions, unbilled. `difference_wh` remains.
    Of the single differences, added up without their signs, `explained_wh` have a reason and `unexplained_wh` have
    none; `hidden_wh` are missing, or too much, because a transaction hides them. It `adds_up` if all three are 0, and
    `is_explained` if the last two are.
    """

    register_wh: int
    least_wh: int
    most_wh: int
    states: tuple[StateLine, ...]
    before_wh: int
    later_wh: int
    between_wh: int
    between_doubtful_wh: int
    accounted_wh: int
    difference_wh: int
    explained_wh: int
    unexplained_wh: int
    hidden_wh: int
    adds_up: bool
    is_explained: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargerMonth:
    """The sums of one charger, what is odd, and the time of its last known register."""

    charger: str
    sums: Sums
    last_register_at: str | None
    differences: tuple[RegisterDifference, ...]
    hiding: tuple[HidingTransaction, ...]
    remarks: tuple[Remark, ...]


class Connector(NamedTuple):
    """The course of the register of one connector, and its transactions by their ids."""

    number: int | None
    course: Course
    transactions: Mapping[int, Transaction]


States = Callable[[Sequence[int]], Mapping[int, BillState]]
"""Returns the states of transactions by their ids."""


def reconcile(charger: str, connectors: Sequence[Connector], month: Span, states: States) -> ChargerMonth:
    """Reconcile the month of one charger."""
    parts = [part for one in connectors for part in _parts(one, month)]
    counted = [part for part in parts if part.is_counted]
    known = states([part.transaction.metered.id for part in counted if part.transaction is not None])
    differences = tuple(_differences(counted))
    hidden = [one for connector in connectors for one in _hidden(connector, month)]
    missing = sum(part.outside_wh for part, _ in hidden if part.is_counted)
    too_much = sum(part.within_wh for part, _ in hidden if not part.is_counted)
    seams = [(one.course.bounds(month.since), one.course.bounds(month.end)) for one in connectors]
    energies = [energy(*one) for one in seams]
    between = [part for part in parts if part.transaction is None]
    sums = _sums(
        registers=Energy(*map(sum, zip(*energies, strict=True))) if energies else Energy(0, 0, 0),
        states=_merged(_line(part, known) for part in counted),
        before=sum(part.outside_wh for part in counted if not part.is_open) - missing,
        later=sum(part.within_wh for part in parts if not part.is_counted and part.transaction is not None) - too_much,
        between=sum(part.within_wh for part in between),
        doubtful=sum(part.within_wh for part in between if part.stretch.is_doubtful),
        explained=sum(abs(one.wh) for one in differences if one.reason),
        unexplained=sum(abs(one.wh) for one in differences if not one.reason),
        hidden=missing + too_much,
    )
    last = max((at for one in connectors if (at := one.course.ends_at) is not None), default=None)
    return ChargerMonth(
        charger=charger,
        sums=sums,
        last_register_at=last,
        differences=differences,
        hiding=tuple(_hiding(hidden)),
        remarks=tuple(remark for one in connectors for remark in _remarks(one, month)),
    )


def site(chargers: Sequence[ChargerMonth]) -> Sums:
    """Return the sums of all chargers."""
    every = [one.sums for one in chargers]
    return _sums(
        registers=Energy(
            *(sum(getattr(one, name) for one in every) for name in ("register_wh", "least_wh", "most_wh"))
        ),
        states=_merged(line for one in every for line in one.states),
        before=sum(one.before_wh for one in every),
        later=sum(one.later_wh for one in every),
        between=sum(one.between_wh for one in every),
        doubtful=sum(one.between_doubtful_wh for one in every),
        explained=sum(one.explained_wh for one in every),
        unexplained=sum(one.unexplained_wh for one in every),
        hidden=sum(one.hidden_wh for one in every),
    )


class _Part(NamedTuple):
    """What of a stretch lies in the month. A transaction is counted if it ended in the month, or is open and has begun
    before its end."""

    stretch: Stretch
    transaction: Transaction | None
    within_wh: int
    is_counted: bool

    @property
    def outside_wh(self) -> int:
        return self.stretch.wh - self.within_wh

    @property
    def is_open(self) -> bool:
        return self.transaction is not None and self.transaction.metered.ended is None


def _parts(connector: Connector, month: Span) -> Iterator[_Part]:
    since, until = connector.course.bounds(month.since), connector.course.bounds(month.end)
    for stretch in connector.course.stretches:
        one = None if stretch.transaction is None else connector.transactions[stretch.transaction]
        within = share(stretch, since, until)
        yield _Part(stretch, one, within, one is not None and _is_counted(one.metered, month))


def _is_counted(one: Metered, month: Span) -> bool:
    return one.began < month.end if one.ended is None else month.covers(one.ended)


def _line(part: _Part, states: Mapping[int, BillState]) -> StateLine:
    one = part.transaction
    assert one is not None  # noqa: S101 - only transactions are counted
    wh = part.within_wh if part.is_open else one.metered.energy_wh
    is_doubtful = not one.is_certain and not part.is_open
    return StateLine(
        state=states[one.metered.id],
        transactions=1,
        wh=wh,
        doubtful_transactions=int(is_doubtful),
        doubtful_wh=wh if is_doubtful else 0,
    )


def _merged(lines: Iterable[StateLine]) -> tuple[StateLine, ...]:
    """Return one line for each state, in their order."""
    found = {state: StateLine(state=state, **dict.fromkeys(_COUNTS, 0)) for state in BillState}
    for line in lines:
        sums = {name: getattr(found[line.state], name) + getattr(line, name) for name in _COUNTS}
        found[line.state] = replace(found[line.state], **sums)
    return tuple(found.values())


_COUNTS: Final = ("transactions", "wh", "doubtful_transactions", "doubtful_wh")


def _sums(
    *,
    registers: Energy,
    states: tuple[StateLine, ...],
    before: int,
    later: int,
    between: int,
    doubtful: int,
    explained: int,
    unexplained: int,
    hidden: int,
) -> Sums:
    accounted = sum(line.wh for line in states) - before + later + between
    return Sums(
        register_wh=registers.wh,
        least_wh=registers.least,
        most_wh=registers.most,
        states=states,
        before_wh=before,
        later_wh=later,
        between_wh=between,
        between_doubtful_wh=doubtful,
        accounted_wh=accounted,
        difference_wh=registers.wh - accounted,
        explained_wh=explained,
        unexplained_wh=unexplained,
        hidden_wh=hidden,
        adds_up=explained == unexplained == hidden == 0,
        is_explained=unexplained == hidden == 0,
    )


def _hidden(connector: Connector, month: Span) -> Iterator[tuple[_Part, Metered]]:
    """Yield what the registers show in another month than the times of its transaction, with the one that hides it."""
    latest: dict[int | None, Metered] = {}  # of each connector, as several may tell one register
    for part in _parts(connector, month):
        if part.transaction is None:
            continue
        one, number = part.transaction.metered, part.transaction.connector
        by = latest.get(number)
        if by is not None and (by.ended or "") > one.began and _is_elsewhere(part, one, month):
            yield part, by
        if by is None or (one.ended or "") > (by.ended or ""):
            latest[number] = one


def _is_elsewhere(part: _Part, one: Metered, month: Span) -> bool:
    if part.is_open:
        return False
    if part.is_counted:
        return one.began >= month.since and part.outside_wh > 0
    return (one.ended or "") <= month.since and part.within_wh > 0


def _hiding(hidden: Iterable[tuple[_Part, Metered]]) -> Iterator[HidingTransaction]:
    found: dict[int, HidingTransaction] = {}
    for part, by in hidden:
        known = found.get(by.id) or HidingTransaction(transaction=by.id, ended=by.ended or "", transactions=0, wh=0)
        wh = part.outside_wh if part.is_counted else part.within_wh
        found[by.id] = replace(known, transactions=known.transactions + 1, wh=known.wh + wh)
    yield from found.values()


def _differences(parts: Iterable[_Part]) -> Iterator[RegisterDifference]:
    for part in parts:
        one = part.transaction
        if one is not None and not part.is_open and part.stretch.wh != one.metered.energy_wh:
            figure = one.metered.energy_wh
            wh = part.stretch.wh - figure
            yield RegisterDifference(transaction=one.metered.id, wh=wh, figure_wh=figure, reason=_reason(one))


def _reason(one: Transaction) -> str:
    """Return why a figure is not what the register rose by; nothing where it should be."""
    if one.metered.method == CORRECTED:
        return "corrected by hand"
    if one.metered.method == IMPORTED:
        return "imported with this figure"
    if one.settled_by is not None:
        return f"confirmed by {one.settled_by}"
    return "" if one.is_certain else "doubtful"


def _remarks(connector: Connector, month: Span) -> Iterator[Remark]:
    """Yield the odd steps in the month, those of one kind as one."""
    found: dict[Ground, Remark] = {}
    for stretch in connector.course.stretches:
        if stretch.ground is None or not month.since < stretch.until <= month.end:
            continue
        first = found.get(stretch.ground) or _remark(connector.number, stretch, stretch.ground)
        found[stretch.ground] = replace(first, times=first.times + 1)
    yield from found.values()


def _remark(number: int | None, stretch: Stretch, ground: Ground) -> Remark:
    return Remark(
        connector=number,
        since=stretch.since,
        until=stretch.until,
        from_wh=stretch.begin_wh,
        to_wh=stretch.end_wh,
        ground=ground,
        times=0,
    )

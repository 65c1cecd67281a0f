"""The reconciliation of a month: whether the energy by the chargers' registers is the energy of all
transactions.

A transaction is billed whole in the month in which it ended. So the energy by the registers is:
that of the transactions that ended in the month, less what of it flowed before the month, plus what
flowed in the month of those that ended later or are open, plus what flowed between transactions.
These lines add up exactly, because each uses the same register at the seams of the month: the last
reading at or before each. What remains are figures that are not what the register rose by, each
with its reason.

One that was closed late, after later ones had begun, hides what these delivered: the registers show
it at that end, and so perhaps in another month. There it is too much, and here it is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from levity_trio.billing.courses import (
    CourseStretch,
    Metered,
    RegisterCourse,
    RegisterEnergy,
    StepGround,
    energy,
    share,
)
from levity_trio.billing.ownership import TimeSpan
from levity_trio.billing.states import BillState
from levity_trio.records import record
from levity_trio.told import Told

CORRECTED: Final = "corrected"
IMPORTED: Final = "imported"


class ReconciledTransaction(NamedTuple):
    """A transaction of the month or next to it. `settled_by` is the person who confirmed its
    figure, as far as that explains a difference."""

    metered: Metered
    charger: str
    connector: int | None
    is_certain: bool
    settled_by: str | None = None


@record
class StateLine:
    """The transactions of one state: how many, and their energy; of these the doubtful ones."""

    state: BillState
    transactions: int
    wh: int
    doubtful_transactions: int
    doubtful_wh: int


@record
class RegisterDifference:
    """A transaction whose register rose by another energy than its figure: by so many Wh more.
    `reason` is empty where nothing explains it."""

    transaction: int
    wh: int
    figure_wh: int
    reason: str


@record
class Remark:
    """A step of a register between two transactions that is no plain difference: when, from and to
    what, and why.

    Of several alike, the first; `times` counts them.
    """

    connector: int | None
    since: str
    until: str
    from_wh: int | None
    to_wh: int | None
    ground: str
    times: int


@record
class HidingTransaction:
    """A transaction that ended after later ones on its connector began, as an earlier system closed
    some: their energy of so many Wh is in another month by the registers than by their times."""

    transaction: int
    ended: str
    transactions: int
    wh: int


@record
class Sums:
    """The energy of a month by the lifetime registers, each as last read before the seams of the
    month, and what it is accounted for by.

    `register_wh` is between `least_wh` and `most_wh`. Accounted for are the transactions that ended
    in the month and the open ones, by their states; less `before_wh`, what of them flowed before
    it; plus `later_wh`, what flowed in it of those that ended later; plus `between_wh`, what left
    between transactions, unbilled. `difference_wh` remains. Of the single differences, added up
    without their signs, `explained_wh` have a reason and `unexplained_wh` have none; `hidden_wh`
    are missing, or too much, because a transaction hides them. It `adds_up` if all three are 0, and
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


@record
class ChargerMonth:
    """The sums of one charger, what is odd, and the time of its last known register."""

    charger: str
    sums: Sums
    last_register_at: str | None
    differences: tuple[RegisterDifference, ...]
    hiding: tuple[HidingTransaction, ...]
    remarks: tuple[Remark, ...]


class ReconciledConnector(NamedTuple):
    """The course of the register of one connector, and its transactions by their ids."""

    number: int | None
    course: RegisterCourse
    transactions: Mapping[int, ReconciledTransaction]


States = Callable[[Sequence[int]], Mapping[int, BillState]]
"""Returns the states of transactions by their ids."""


def reconcile(
    charger: str, connectors: Sequence[ReconciledConnector], month: TimeSpan, states: States
) -> ChargerMonth:
    """Reconcile the month of one charger."""
    parts, hidden, remarks = list[_MonthPart](), list[tuple[_MonthPart, Metered]](), list[Remark]()
    energies, ends = list[RegisterEnergy](), list[str]()
    for connector in connectors:
        parts += _parts(connector, month)
        hidden += _hidden(connector, month)
        remarks += _remarks(connector, month)
        course = connector.course
        energies.append(energy(course.bounds(month.since), course.bounds(month.end)))
        if course.ends_at is not None:
            ends.append(course.ends_at)
    wh = dict.fromkeys(_ADDED, 0)

    counted = list[tuple[_MonthPart, ReconciledTransaction]]()
    for part in parts:
        if part.transaction is None:
            wh["between_wh"] += part.within_wh
            wh["between_doubtful_wh"] += part.within_wh if part.stretch.is_doubtful else 0
        elif not part.is_counted:
            wh["later_wh"] += part.within_wh
        else:
            counted.append((part, part.transaction))
            wh["before_wh"] += 0 if part.is_open else part.outside_wh
    differences = tuple(_differences(counted))
    for difference in differences:
        # Two that cancel each other out would hide each other in a plain sum.
        name = "explained_wh" if difference.reason else "unexplained_wh"
        wh[name] += abs(difference.wh)
    # What a transaction hides is missing in its month, and too much in another one.
    for part, _ in hidden:
        name, hidden_wh = "later_wh", part.within_wh
        if part.is_counted:
            name, hidden_wh = "before_wh", part.outside_wh
        wh[name] -= hidden_wh
        wh["hidden_wh"] += hidden_wh

    known = states([transaction.metered.id for _, transaction in counted])
    lines = _merged(_line(part, transaction, known) for part, transaction in counted)
    return ChargerMonth(
        charger=charger,
        sums=_sums(_added(energies), lines, wh),
        last_register_at=max(ends, default=None),
        differences=differences,
        hiding=tuple(_hiding(hidden)),
        remarks=tuple(remarks),
    )


_ADDED: Final = (
    *("before_wh", "later_wh", "between_wh", "between_doubtful_wh"),
    *("explained_wh", "unexplained_wh", "hidden_wh"),
)


def _added(energies: Sequence[RegisterEnergy]) -> RegisterEnergy:
    least, most = (sum(each.least for each in energies), sum(each.most for each in energies))
    return RegisterEnergy(sum(each.wh for each in energies), least, most)


def site(chargers: Sequence[ChargerMonth]) -> Sums:
    """Return the sums of all chargers."""
    registers, lines, wh = list[RegisterEnergy](), list[StateLine](), dict.fromkeys(_ADDED, 0)
    for charger in chargers:
        sums = charger.sums
        registers.append(RegisterEnergy(sums.register_wh, sums.least_wh, sums.most_wh))
        lines += sums.states
        for name in _ADDED:
            wh[name] += getattr(sums, name)
    return _sums(_added(registers), _merged(lines), wh)


def _sums(registers: RegisterEnergy, states: tuple[StateLine, ...], wh: Mapping[str, int]) -> Sums:
    """Return the sums of registers and states, and of these energies by the names of _ADDED."""
    ended_or_open = sum(line.wh for line in states)
    accounted = ended_or_open - wh["before_wh"] + wh["later_wh"] + wh["between_wh"]
    is_explained = wh["unexplained_wh"] == wh["hidden_wh"] == 0
    return Sums(
        register_wh=registers.wh,
        least_wh=registers.least,
        most_wh=registers.most,
        states=states,
        accounted_wh=accounted,
        difference_wh=registers.wh - accounted,
        adds_up=is_explained and wh["explained_wh"] == 0,
        is_explained=is_explained,
        **wh,
    )


class _MonthPart(NamedTuple):
    """What of a stretch lies in the month. A transaction is counted if it ended in the month, or is
    open and has begun before its end."""

    stretch: CourseStretch
    transaction: ReconciledTransaction | None
    within_wh: int
    is_counted: bool

    @property
    def outside_wh(self) -> int:
        return self.stretch.wh - self.within_wh

    @property
    def is_open(self) -> bool:
        return self.transaction is not None and self.transaction.metered.ended is None


def _parts(connector: ReconciledConnector, month: TimeSpan) -> Iterator[_MonthPart]:
    since, until = connector.course.bounds(month.since), connector.course.bounds(month.end)
    for stretch in connector.course.stretches:
        transaction, is_counted = None, False
        if stretch.transaction is not None:
            transaction = connector.transactions[stretch.transaction]
            began, ended = transaction.metered.began, transaction.metered.ended
            is_counted = began < month.end if ended is None else month.covers(ended)
        yield _MonthPart(stretch, transaction, share(stretch, since, until), is_counted)


def _line(
    part: _MonthPart, transaction: ReconciledTransaction, states: Mapping[int, BillState]
) -> StateLine:
    wh = part.within_wh if part.is_open else transaction.metered.energy_wh
    is_doubtful = not transaction.is_certain and not part.is_open
    return StateLine(
        state=states[transaction.metered.id],
        transactions=1,
        wh=wh,
        doubtful_transactions=int(is_doubtful),
        doubtful_wh=wh if is_doubtful else 0,
    )


def _merged(lines: Iterable[StateLine]) -> tuple[StateLine, ...]:
    """Return one line for each state, in their order."""
    merged = {state: StateLine(state=state, **dict.fromkeys(_COUNTS, 0)) for state in BillState}
    for line in lines:
        sums = {name: getattr(merged[line.state], name) + getattr(line, name) for name in _COUNTS}
        merged[line.state] = replace(merged[line.state], **sums)
    return tuple(merged.values())


_COUNTS: Final = ("transactions", "wh", "doubtful_transactions", "doubtful_wh")


def _hidden(
    connector: ReconciledConnector, month: TimeSpan
) -> Iterator[tuple[_MonthPart, Metered]]:
    """Yield what the registers show in another month than the times of its transaction, with the
    one that hides it."""
    # Several connectors may tell one register, but each has transactions of its own.
    latest: dict[int | None, Metered] = {}
    for part in _parts(connector, month):
        if part.transaction is None:
            continue
        metered, number = part.transaction.metered, part.transaction.connector
        by = latest.get(number)
        if by is not None and (by.ended or "") > metered.began and not part.is_open:
            if part.is_counted:
                is_elsewhere = metered.began >= month.since and part.outside_wh > 0
            else:
                is_elsewhere = (metered.ended or "") <= month.since and part.within_wh > 0
            if is_elsewhere:
                yield part, by
        if by is None or (metered.ended or "") > (by.ended or ""):
            latest[number] = metered


def _hiding(hidden: Iterable[tuple[_MonthPart, Metered]]) -> Iterator[HidingTransaction]:
    hiding: dict[int, HidingTransaction] = {}
    for part, by in hidden:
        known = hiding.get(by.id)
        transactions, wh = (0, 0) if known is None else (known.transactions, known.wh)
        wh += part.outside_wh if part.is_counted else part.within_wh
        hiding[by.id] = HidingTransaction(
            transaction=by.id, ended=by.ended or "", transactions=transactions + 1, wh=wh
        )
    yield from hiding.values()


def _differences(
    counted: Iterable[tuple[_MonthPart, ReconciledTransaction]],
) -> Iterator[RegisterDifference]:
    """Yield the figures that are not what the register rose by, each with its reason."""
    for part, transaction in counted:
        metered = transaction.metered
        wh = part.stretch.wh - metered.energy_wh
        if part.is_open or wh == 0:
            continue
        reason = "" if transaction.is_certain else Told("doubtful")
        if metered.method == CORRECTED:
            reason = Told("corrected by hand")
        elif metered.method == IMPORTED:
            reason = Told("imported with this figure")
        elif transaction.settled_by is not None:
            reason = Told("confirmed by {1}", transaction.settled_by)
        yield RegisterDifference(
            transaction=metered.id, wh=wh, figure_wh=metered.energy_wh, reason=reason
        )


def _remarks(connector: ReconciledConnector, month: TimeSpan) -> Iterator[Remark]:
    """Yield the odd steps in the month, those of one kind as one."""
    remarks: dict[StepGround, Remark] = {}
    for stretch in connector.course.stretches:
        if stretch.ground is None or not month.since < stretch.until <= month.end:
            continue
        first = remarks.get(stretch.ground)
        if first is not None:
            remarks[stretch.ground] = replace(first, times=first.times + 1)
            continue
        remarks[stretch.ground] = Remark(
            connector=connector.number,
            since=stretch.since,
            until=stretch.until,
            from_wh=stretch.begin_wh,
            to_wh=stretch.end_wh,
            ground=stretch.ground,
            times=1,
        )
    yield from remarks.values()

"""The shape of a statement: what one account owes for one month, as it is stored, shown and
printed.

Amounts are whole minor units of the statement's currency (cents, for instance); energy is in Wh;
times are UTC. All documents (HTML, PDF, CSV, JSON) are made from this one shape, so they cannot
differ.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Final
from zoneinfo import ZoneInfo

from levity_trio.nouns import TaxKind
from levity_trio.records import record
from levity_trio.wire.times import in_zone


class LineKind(StrEnum):
    """What a line asks money for."""

    ENERGY = "energy"
    SESSION = "session fee"
    BLOCKING = "blocking fee"
    BASE = "base fee"
    MINIMUM = "minimum"
    """What is missing to the least price of a charging session."""
    MAXIMUM = "maximum"
    """What is taken off above the highest price of a charging session; negative."""


class Split(StrEnum):
    """By what the energy of a charging session was divided between windows."""

    WHOLE = "whole"
    """All energy lies in one window."""
    REGISTER = "register"
    POWER = "power"
    EVENLY = "evenly"


class MeasuringMethod(StrEnum):
    """How the energy of a charging session was measured."""

    REGISTER = "register"
    """It is the difference of the meter's registers at its begin and end."""
    READINGS = "readings"
    """It was put together from single readings."""
    COUNT = "count"
    """The charger counts each session from 0."""
    RESET = "reset"
    """The meter began again at 0 in between."""
    ROLLOVER = "rollover"
    SCALED = "scaled"
    """The charger tells the meter in another unit."""
    EXCHANGED = "exchanged"
    """The meter was exchanged in between."""
    POWER = "power"
    """The meter counted other cars, too; power shows what this one drew."""
    PART = "part"
    """Other sessions have the rest of the difference."""
    DIVIDED = "divided"
    """The meter counted another car, too; this is the part that is estimated to be its own."""
    SET = "set"
    """A person set it."""
    ENTERED = "entered"
    """It is the difference of registers that a person set."""


@record
class Currency:
    """A currency (ISO 4217) and the number of its decimals: 0, 2 or 3."""

    code: str
    exponent: int


SUN: Final = "sun"
"""The window of a line of the house's own sun."""
GRID: Final = "grid"
"""That of all the rest, where the tariff has no name for it."""


@record
class QuarterCost:
    """What a line asks for in one quarter of an hour; the quarter counts from 1970 in UTC."""

    quarter: int
    wh: int
    price: Fraction
    """Of a kWh, exactly."""
    is_divided: bool = False
    """No readings show how much flowed in it: power or time divided what they show."""
    is_fallback: bool = False
    """The series has no price for it, or the times of the session are not sure."""
    is_unmeasured: bool = False
    """Grid and panels were not measured for all of it: what was not counts as grid."""

    @property
    def cost(self) -> Fraction:
        """Its exact part of the amount, in units of the currency."""
        return self.wh * self.price / 1000


@record
class Line:
    """One amount and how it was computed: quantity × price, rounded half up once.

    A line by the quarter of an hour has its `quarters`; their costs are summed and rounded once.
    Its price is then their mean, rounded to six decimals, where they differ.

    `quantity` is in Wh for energy (its price is per kWh), in begun minutes for blocking, in days
    for a base fee (`of_days` in its month; its price is per month), else 1.
    """

    kind: LineKind
    tariff: str
    version: date
    """The day from which this version of the tariff holds."""
    window: str | None
    quantity: int
    of_days: int | None = None
    price: Decimal
    amount: int
    tax_rate: Decimal
    """In percent."""
    quarters: tuple[QuarterCost, ...] = ()
    times: tuple[datetime, ...] = ()
    """When the minutes of a fee for blocking begin and end, by turns; of a correction, those of the
    new figure."""

    @property
    def is_mean(self) -> bool:
        """Whether its price is a mean, or rounded: quantity × price is not exactly its amount."""
        return any(one.price != Fraction(self.price) for one in self.quarters)


@record
class Position:
    """One charging session with its lines, or a base fee (without transaction and times).

    A correction names the position that it corrects (`corrects`, its id), with the number of that
    statement; its lines hold the differences.
    """

    id: int
    transaction: int | None
    charger: str | None
    connector: int | None
    space: str | None
    """What people call the place."""
    tag: str | None
    vehicle: str | None
    started_at: datetime | None
    ended_at: datetime | None
    energy_wh: int
    split: Split | None
    lines: tuple[Line, ...]
    corrects: int | None = None
    corrected_statement: str | None = None
    reason: str | None = None
    corrected_number: str | None = None
    """`corrected_statement` as it stands on the paper."""
    is_prepaid: bool = False
    """A position that was charged to the wallet is listed, and asks for nothing."""
    begin_wh: int | None = None
    """With `end_wh`, the registers of the meter, as far as they are known: of a correction, those
    of the new figure."""
    end_wh: int | None = None
    meter_serial: str | None = None
    charger_serial: str | None = None
    """That of the charger, where the serial number of its meter is not known."""
    measured: MeasuringMethod | None = None
    """This is None for a base fee, and where nothing is asked for."""
    signed: str | None = None
    """The fingerprint of the key by which signed values prove the energy; after "told " if only the
    charger told that key."""
    seams: tuple[tuple[datetime, int], ...] = ()
    """Where the price changed, and the Wh that had flowed until then, if readings show it."""

    @property
    def amount(self) -> int:
        """The sum of its lines."""
        return sum(line.amount for line in self.lines)

    @property
    def card(self) -> str | None:
        """With what somebody charged: the car, or else the card."""
        return self.vehicle or self.tag


@record
class TaxSum:
    """The foot of a statement for one tax rate (in percent); net + tax = gross."""

    rate: Decimal
    net: int
    tax: int
    gross: int


@record
class Party:
    """Names and addresses as they were when the statement was closed."""

    name: str
    address: tuple[str, ...]
    contact: str | None = None


@record
class Owner:
    """Who bills: name, address, bank details, and taxes."""

    party: Party
    bank_account: str | None = None
    bank_name: str | None = None
    tax_number: str | None = None
    vat_number: str | None = None
    tax_kind: TaxKind | None = None
    """None: nobody said it yet."""
    tax_note: str | None = None
    number_prefix: str | None = None
    payment_days: int = 14
    logo: bytes | None = None
    """PNG or JPEG."""

    @property
    def charges_no_tax(self) -> bool:
        """Whether the sender said that there is no tax on its bills."""
        return self.tax_kind not in (None, "taxed")


@record
class OpenBefore:
    """What of an earlier statement was open when the next one was made."""

    number: int
    month: date
    due_on: date
    amount: int
    printed_number: str
    """The number as it stands on its paper."""


@record
class MoneyEntry:
    """A payment or another entry since the statement before, positive in the household's favour.

    What its credit pays of this statement's own lines is one of the kind `statement`; what it paid
    until now of lines of others, less what it paid of these before, is one of the kind `elsewhere`.
    A debt beside statements that this one asks for is one of the kind `carried`. Older ones have a
    `charge` for all that was taken until that day.
    """

    day: date
    kind: str
    amount: int
    statement: str | int | None
    """The printed number of the statement that it is for; older ones have a whole number."""


@record
class AccountBefore:
    """How the account of a household stood before a statement.

    `credit` is what is left over after all earlier statements, and after what this one takes of it;
    negative: what is owed beside them. `newest` is the id of its newest entry in the ledger.
    `set_off` is what this statement gives back and sets off against earlier ones; `open` is without
    it, and what it carries in has it. `follows` is the number of the last bill that this one
    corrects or completes.
    """

    open: tuple[OpenBefore, ...]
    moved: tuple[MoneyEntry, ...]
    credit: int
    newest: int
    set_off: tuple[OpenBefore, ...] = ()
    follows: str | None = None

    @property
    def amount(self) -> int:
        """What is to be paid beside the statement; negative: what is left of a credit."""
        return sum(one.amount for one in self.open) - self.credit


@record
class Statement:
    """What one account owes for one month.

    `carried_in` is what earlier statements left (negative: a credit), and what no credit covers of
    prepaid lines and of other debts. `total` is the gross sum plus that, as asked for; a total that
    is carried on or paid out is told by `is_carried`. A draft has no number, no digest and no day
    of closing.
    """

    account: int
    month: date
    """The first day of the month."""
    zone: str
    """The site's IANA time zone, in which times are shown."""
    currency: Currency
    prices_are_gross: bool
    to: Party | None
    """This is None after the names were removed."""
    owner: Owner
    positions: tuple[Position, ...]
    taxes: tuple[TaxSum, ...]
    carried_in: int
    total: int
    is_carried: bool
    held_back: tuple[Position, ...]
    """Charging sessions that wait for a review; they have no lines."""
    number: str | None = None
    """Its place among all statements, by which it is looked up."""
    printed_number: str | None = None
    """The number as it stands on the paper."""
    closed_on: date | None = None
    digest: str | None = None
    previous_digest: str | None = None
    evidence: str | None = None
    """A digest over what is stored of its sessions."""
    left_on: date | None = None
    """The last day of a household that moved out: this is its last bill."""
    before: AccountBefore | None = None
    """This is None where another statement of the closing says it."""
    tariffs: tuple[tuple[str, date, str], ...] = ()
    """Name, first day, and prices in words of the tariffs by which it was computed."""
    prepaid_taxes: tuple[TaxSum, ...] = ()
    """The sums by tax rate of what was charged to the credit."""

    @property
    def period(self) -> tuple[date, date]:
        """The first and the last day that it is about: of its month, or of that in which the
        household moved out, unless a session that it bills began or ended outside of them. What it
        corrects has the period of the statement that billed it; one that only corrects, or follows
        a last bill, is about its sessions."""
        after = (self.month + timedelta(days=31)).replace(day=1)
        last = min(self.left_on or after, after - timedelta(days=1))
        zone, days = ZoneInfo(self.zone), list[date]()
        own = [one for one in self.positions if not one.corrects]
        for one in own or self.positions:
            days += [in_zone(at, zone).date() for at in (one.started_at, one.ended_at) if at]
        if not days or (own and not self.follows):
            days += [last.replace(day=1), last]
        return min(days), max(days)

    @property
    def first_day(self) -> date:
        return self.period[0]

    @property
    def last_day(self) -> date:
        return self.period[1]

    @property
    def set_off(self) -> tuple[OpenBefore, ...]:
        """What it gives back and sets off against earlier statements."""
        return () if self.before is None else self.before.set_off

    @property
    def follows(self) -> str | None:
        """The number of the last bill that it corrects or completes."""
        return None if self.before is None else self.before.follows

    @property
    def is_asked(self) -> bool:
        """Whether the household is asked to pay; of a draft: would be."""
        return self.total > 0 and not self.is_carried

    @property
    def due_on(self) -> date | None:
        """The last day for the payment that is asked for."""
        if self.closed_on is None or not self.is_asked:
            return None
        return due_day(self.closed_on, self.owner.payment_days)

    @property
    def is_untaxed(self) -> bool:
        """Whether it has no tax, and its sender said why: then it says nothing of rates."""
        return self.owner.charges_no_tax and not any(tax.rate for tax in self.taxes)

    @property
    def to_pay_in_all(self) -> int:
        """What the household had to pay on the day of closing, with what was open before."""
        return max(0, self.standing)

    @property
    def standing(self) -> int:
        """The same; below 0, what was left in its favour."""
        total = 0 if self.is_carried else self.total
        if self.before is None:
            return total
        return total + self.before.amount

    def names(self) -> Iterator[str]:
        """Yield the texts that people chose: of the household, and of places, vehicles, tariffs and
        reasons."""
        if self.to is not None:
            yield from (self.to.name, *self.to.address)
        for position in (*self.positions, *self.held_back):
            told = (
                position.space,
                position.charger,
                position.tag,
                position.vehicle,
                position.reason,
            )
            yield from (text for text in told if text)
            for line in position.lines:
                yield from (text for text in (line.tariff, line.window) if text)

    @property
    def lines(self) -> Iterator[Line]:
        """The lines of all its positions."""
        for position in self.positions:
            yield from position.lines

    @property
    def energy_wh(self) -> int:
        """The energy of all its charging sessions."""
        return sum(position.energy_wh for position in self.positions)

    @property
    def only_card(self) -> str | None:
        """The car, or else the card, of all its charging sessions; None if there are several, or
        none."""
        every = (*self.positions, *self.held_back)
        cards = {
            one.card
            for one in every
            if one.transaction is not None and (one.card or not one.corrects)
        }
        return cards.pop() if len(cards) == 1 else None


def due_day(closed_on: date, payment_days: int) -> date:
    """Return the last day to pay what was closed on a day."""
    # A clock that was wrong may have closed it on one of the last days that there are.
    days_left = (date.max - closed_on).days
    return closed_on + timedelta(min(payment_days, days_left))


YEAR: Final = "YYYY"
"""Stands in what numbers begin with for the year of the day of closing: they begin anew each
year."""
NO_DIGEST: Final = "\ufdd0"
"""This noncharacter, which no name contains, stands for the digest on what a statement says: the
digest covers that."""


def in_groups(digest: str, of: int = 8) -> str:
    """Return a digest in groups of so many digits, which people can compare."""
    return " ".join(digest[begin : begin + of] for begin in range(0, len(digest), of))


class PositionKind(StrEnum):
    """The kind of a position, as it is stored."""

    SESSION = "session"
    """A charging session that is asked for, or that the wallet was charged for."""
    FREE = "free"
    HELD_BACK = "held back"
    """A charging session that waits for a review."""
    UNPRICED = "unpriced"
    """No tariff is known for it. Its draft cannot be closed."""
    BASE_FEE = "base fee"
    CORRECTION = "correction"

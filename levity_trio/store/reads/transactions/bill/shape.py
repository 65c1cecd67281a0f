"""The shape of the bill of one transaction: whose it is, what it costs and why, what statements and
the wallet say.

Amounts are minor units of the currency, positive where the account owes; prices and tax rates are
texts. What is on closed statements comes from their rows; `price` is that of today's facts, and
`pending` is what comes next.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from levity_trio.records import record
from levity_trio.store.billing.quarters import CorrectedPrices
from levity_trio.told import Clock
from levity_trio.wire.times import in_zone, shifted


@record
class BillQuarter:
    """What a line asks for in a quarter of an hour from `since` on: Wh × `price`, which is rounded
    to ten decimals here.

    `is_divided`: no readings show how much flowed in it; `is_fallback`: the price series had none
    for it, or its time is not sure; `is_unmeasured`: grid and panels were not measured for all of
    it, and what was not counts as grid.
    """

    since: str
    wh: int
    price: str
    is_divided: bool
    is_fallback: bool
    is_unmeasured: bool


@record
class BillLine:
    """A line, and its arithmetic in words. `quantity` is in Wh for energy, in begun minutes for
    blocking, else 1. With `is_mean`, what each of its `quarters` costs was summed, and `price` is
    their mean. The window of the own sun is `sun`, that of the rest then `grid`."""

    kind: str
    tariff: str
    version: str
    window: str | None
    quantity: int
    price: str
    amount: int
    tax_rate: str
    words: str
    is_mean: bool
    quarters: tuple[BillQuarter, ...]


@record
class BillSeam:
    """Where one price ended and another began: what had flowed until then, and the readings around
    it."""

    at: str
    ends: str | None
    begins: str | None
    version: str
    until_wh: int
    before_at: str
    before_wh: int
    after_at: str
    after_wh: int


@record
class BillStretch:
    """A stretch of time that does not count."""

    since: str
    until: str


@record
class BillBlocking:
    """What a fee for blocking counts: begun minutes from `since` to `until`, without what is
    `excused`, without the time in which load management `held` the car back and the free minutes
    after it, and without the `free` hours of the tariff. All are null or empty if the end of the
    charging is not known: then there is no fee. `waits_for_cable` is whether the tariff counts
    until the cable is out, which was not seen yet."""

    grace_minutes: int
    charging_ended_at: str | None
    since: str | None
    until: str | None
    excused: tuple[BillStretch, ...]
    held: tuple[BillStretch, ...]
    free: tuple[BillStretch, ...]
    minutes: int
    waits_for_cable: bool


@record
class BillQuarters:
    """The dearest and the cheapest quarter of an hour, null if the price did not move: when it
    began, and the price of a kWh in it. In how many quarters the energy was `divided`, as no
    readings show it; had the `fallback` price; and counts as grid as far as sun was
    `unmeasured`."""

    dearest_at: str | None
    dearest_price: str | None
    cheapest_at: str | None
    cheapest_price: str | None
    divided: int
    fallback: int
    unmeasured: int


@record
class BillTax:
    """What lines come to at one tax rate in percent; net + tax = gross."""

    rate: str
    net: int
    tax: int
    gross: int


@record
class BillPrice:
    """What the transaction costs by today's facts and tariffs; an open one by what it has used so
    far.

    `split` is by what its energy was divided; `free` is why it costs nothing. `prices` are gross or
    net; `taxes` are of its own lines, while a statement computes tax on the sum of all its lines.
    """

    energy_wh: int
    amount: int
    currency: str
    prices: str
    split: str | None
    free: str | None
    seams: tuple[BillSeam, ...]
    blocking: BillBlocking | None
    lines: tuple[BillLine, ...]
    taxes: tuple[BillTax, ...]
    quarters: BillQuarters | None


@record
class BillTariff:
    """The assignment by which a tariff holds: for whom (`scope`, `key`), since which local day, and
    who entered it."""

    tariff: str
    scope: str
    key: str
    since: str
    at: str
    by: str
    reason: str | None


@record
class BillPosition:
    """A line of a closed statement, as it is stored. A correction names the statement that it
    corrects. Both numbers are there as printed, too."""

    statement: int
    printed_number: str
    line: int
    month: str
    account: int
    kind: str
    reason: str | None
    corrects: int | None
    corrected_number: str | None
    prepaid: bool
    energy_wh: int
    amount: int
    currency: str
    prices: str
    lines: tuple[BillLine, ...]
    quarters: BillQuarters | None
    closed_at: str
    digest: str


@record
class BillCharge:
    """What a wallet was charged."""

    account: int
    amount: int
    currency: str
    at: str


@record
class BillAdjustment:
    """What the next statement of an account adds (negative: gives back), because something changed
    since.

    If no statement has it yet, but a wallet was charged, it is what the wallet pays or gets back
    then.
    """

    account: int
    energy_wh: int
    amount: int


@record
class Bill:
    """The bill of a transaction. `state` is exactly one of levity_trio.billing.states; `zone` is
    that of all local days and of the times in `grounds`. `billed_wh` and `billed_amount` are what
    all statements together come to, null if none has it. `why` and `advice` are about one that is
    not billed; `reserved` is what is kept of a wallet until it is charged. While its price is not
    known, `reckoned` says by which that is."""

    state: str
    why: str | None
    advice: str | None
    zone: str
    account: int | None
    account_name: str | None
    grounds: tuple[str, ...]
    tariff: BillTariff | None
    price: BillPrice | None
    positions: tuple[BillPosition, ...]
    billed_wh: int | None
    billed_amount: int | None
    charges: tuple[BillCharge, ...]
    reserved: int | None
    reckoned: str | None
    pending: tuple[BillAdjustment, ...]
    corrected_prices: tuple[CorrectedPrices, ...]


_DAY: Final = timedelta(days=1)


def local(text: str, zone: tzinfo) -> str:
    """Return a time of the database in local time; around a change of the clock with the name of
    the zone."""
    moment = datetime.fromisoformat(text)
    return _written(moment, zone, ":%S" if moment.second else "")


def local_value(text: str, zone: tzinfo) -> Clock:
    """Return the same as a value of a text."""
    return Clock(text, local(text, zone))


def to_the_minute(text: str, zone: tzinfo) -> str:
    """Return the same without its seconds."""
    return _written(datetime.fromisoformat(text), zone, "")


def _written(moment: datetime, zone: tzinfo, seconds: str) -> str:
    moment = in_zone(moment, UTC)  # so that a day is 24 hours
    before, after = (in_zone(shifted(moment, step), zone).utcoffset() for step in (-_DAY, _DAY))
    return in_zone(moment, zone).strftime(
        f"%Y-%m-%d %H:%M{seconds}" + (" %Z" if before != after else "")
    )

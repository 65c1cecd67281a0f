"""What transactions cost now: whose they are, by which tariff, and the position that a statement
would have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache, partial
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from levity_trio.access.tags import Policy
from levity_trio.billing.money import PRICE_DECIMALS, decimal_of, told_amount
from levity_trio.billing.ownership import BillBy, SessionOwner
from levity_trio.billing.pricing import NoPrice, SessionEvidence, price_session, quarter
from levity_trio.billing.statement import Position, PositionKind
from levity_trio.billing.tariff import MovingPrice, NoVersion, Tariff, Versions, Window
from levity_trio.charging.energy import DOUBTFUL
from levity_trio.store.billing.evidence import Billed, evidence_of, needs
from levity_trio.store.billing.months import bills_since
from levity_trio.store.billing.quarters import (
    PriceSeries,
    QuarterShares,
    known_then,
    moving_prices,
)
from levity_trio.store.billing.tariffs import Tariffs, Trial
from levity_trio.store.cases.case import judged_again
from levity_trio.store.cases.neighbours import ChargerHistory
from levity_trio.store.cases.so_far import energies_so_far
from levity_trio.store.cases.transaction import find_transaction
from levity_trio.store.engine.database import Rows, marks, parts
from levity_trio.store.lookups.places import Owners
from levity_trio.told import Day, Moment, Quantity, Told, Value, joined, of_stored, stored
from levity_trio.wire.times import in_zone, shifted_stamp, stamp

_COLUMNS: Final = (
    "id, cp_id, conn_id, id_tag, start_time, coalesce(stop_time, last_reading_at, start_time),"
    " coalesce(energy_delivered, 0), status, confidence, review_told, judge_after,"
    " start_behind_seconds, stop_behind_seconds, is_clock_unsure, is_at_fallback"
)
_BILLABLE: Final = f"SELECT {_COLUMNS} FROM tx WHERE id IN ({{}}) AND imported_id IS NULL"  # noqa: S608 - our own names
POSSIBLE: Final = timedelta(days=3660)
"""No car charges for longer; a clock was wrong. Its days are priced one by one, and some clocks
show the year 1."""


LATELY: Final = 7 * 96
"""Quarters of an hour."""
NO_EVIDENCE: Final = SessionEvidence()


class Rule(NamedTuple):
    """By what transactions are billed: the site's zone, the normal form of tags, and what comes
    first."""

    zone: ZoneInfo
    policy: Policy
    bill_by: BillBy


class Priced(NamedTuple):
    """What a transaction costs now.

    Its position has no lines unless `kind` is SESSION; `words` then say why. An open transaction is
    priced as if it stopped, and waits. `versions` are those of its tariff, None if there is none,
    or nobody owns it; `evidence` is what the price was made of. While its series lacks prices, and
    the tariff has no fallback, `reckoned` is what it costs by others; its words say by which.
    """

    owner: SessionOwner
    kind: PositionKind
    position: Position
    words: str | None
    versions: Versions | None
    is_open: bool
    evidence: SessionEvidence = NO_EVIDENCE
    reckoned: Priced | None = None

    @property
    def account(self) -> int | None:
        return self.owner.account

    @property
    def waits(self) -> bool:
        """Whether its figure is not certain yet."""
        return self.is_open or self.kind is PositionKind.HELD_BACK


class _Billable(NamedTuple):
    id: int
    charger: str
    connector: int | None
    id_tag: str | None
    start_time: str
    end_time: str
    energy_wh: int
    status: str
    confidence: str | None
    review_told: str | None
    judge_after: str | None
    start_behind: int
    stop_behind: int
    is_clock_unsure: int
    is_at_fallback: int
    is_as_told: bool = False

    @property
    def is_open(self) -> bool:
        return self.status == "Active"

    @property
    def span(self) -> tuple[datetime, datetime]:
        """Its start and its end, by our clock."""
        start = datetime.fromisoformat(self.start_time)
        return start, max(start, datetime.fromisoformat(self.end_time))

    @property
    def as_sent(self) -> _Billable:
        """It with the times that its charger sent, though the clock may have been behind."""
        start, end = (
            shifted_stamp(at, timedelta(seconds=-behind))
            for at, behind in (
                (self.start_time, self.start_behind),
                (self.end_time, self.stop_behind),
            )
        )
        return self._replace(start_time=start, end_time=end, is_as_told=True)


class BothTimes(NamedTuple):
    """What a transaction costs by its corrected times and course, and by those sent, in words. The
    two differ. `fallback` is what it costs if its quarters of an hour do not count."""

    corrected: str
    sent: str
    fallback: Value | None = None

    @property
    def words(self) -> str:
        told = Told(
            (
                "its charger's clock was behind, or was set, or its energy cannot have flowed when "
                "it was told: corrected {1}, as sent {2}"
            ),
            *(self.corrected, self.sent),
        )
        if self.fallback is None:
            return told
        return Told("{1}; confirmed, it is billed at the fallback price: {2}", told, self.fallback)


def doubt(review: str | None, judge_after: str | None, confidence: str | None) -> str | None:
    """Return why the figure of a transaction is not certain, if it is not."""
    if review is not None:
        return Told("waits for review: {1}", review)
    if judge_after is not None:
        return Told("is being judged again")
    return Told("its figure is doubtful") if confidence == DOUBTFUL else None


class Pricer:
    """Prices transactions within one read; what it looked up is kept.

    An open one is priced as if it stopped `now`, or at its last reading, with the energy that is
    known. If it `is_judging`, one that waits to be judged again counts as it would be judged now.
    """

    def __init__(
        self,
        rows: Rows,
        rule: Rule,
        trial: Trial | None = None,
        *,
        now: datetime | None = None,
        longest: timedelta = timedelta.max,
        is_judging: bool = False,
    ) -> None:
        self._rows = rows
        self._rule = rule
        self._now = "" if now is None else stamp(now)
        self._longest = longest
        self._is_judging = is_judging
        self._owners = Owners(rows, rule.policy, rule.bill_by)
        self._since = bills_since(rows, rule.zone)
        self.tariffs = Tariffs(rows, trial)
        self.series = PriceSeries(rows, rule.zone)
        self._series_then = cache(partial(PriceSeries, rows, rule.zone))
        self.sharing = QuarterShares(rows)

    def owners(self, transactions: Sequence[int]) -> dict[int, SessionOwner]:
        """Return whose transactions are, by their ids."""
        return self._owners.decide(transactions)

    def price(self, transactions: Sequence[int]) -> dict[int, Priced]:
        """Return what transactions cost, by their ids; those that do not exist, were imported or
        last too long are left out."""
        owners = self.owners(transactions)
        billable = [
            one
            for one in self._billable(transactions)
            if one.span[1] - one.span[0] <= self._longest
        ]
        return {one.id: self._priced(one, owners[one.id]) for one in billable}

    def by_both_times(self, transaction: int) -> BothTimes | None:
        """Return what a transaction costs by both times, if its price depends on which of them are
        right."""
        for one in self._billable((transaction,)):
            return self._by_both_times(one, self.owners((transaction,))[transaction])
        return None

    def _by_both_times(self, tx: _Billable, owner: SessionOwner) -> BothTimes | None:
        found = [self._undoubted(one, owner, _position(one)) for one in (tx, tx.as_sent)]
        priced = [_told(one, self._since) for one in found]
        now, as_sent = (one.position.amount for one in found)
        # A cent is no reason to ask about the course.
        if priced[0] == priced[1] or (tx.span == tx.as_sent.span and abs(now - as_sent) <= 1):
            return None
        times = ((Moment(one.start_time), Moment(one.end_time)) for one in (tx, tx.as_sent))
        said = (
            Told("{1} (from {2} to {3})", cost, *span)
            for cost, span in zip(priced, times, strict=True)
        )
        corrected, sent = said
        by_fallback = self._undoubted(tx._replace(is_at_fallback=1), owner, _position(tx))
        is_other = any(
            one.is_fallback for line in by_fallback.position.lines for one in line.quarters
        )
        return BothTimes(corrected, sent, _told(by_fallback, self._since) if is_other else None)

    def _billable(self, transactions: Sequence[int]) -> Iterator[_Billable]:
        for part in parts(transactions):
            found = [_Billable(*row) for row in self._rows(_BILLABLE.format(marks(part)), part)]
            so_far = energies_so_far(self._rows, [one.id for one in found if one.is_open])
            for one in found:
                if one.is_open:
                    yield self._as_stopped(one, so_far)
                elif self._is_judging and one.judge_after is not None:
                    yield self._as_judged(one)
                else:
                    yield one

    def _as_judged(self, one: _Billable) -> _Billable:
        """Return a transaction that waits to be judged again as it would be stored then."""
        tx = find_transaction(self._rows, one.id)
        if tx is None:
            return one
        judged = judged_again(ChargerHistory(self._rows, tx.charger), tx)
        times = judged.times
        return one._replace(
            energy_wh=one.energy_wh if judged.is_settled else judged.judgement.wh,
            confidence=judged.confidence,
            review_told=stored(joined("; ", judged.review)) if judged.review else None,
            judge_after=None,
            start_time=times.start_time,
            end_time=times.stop_time or one.end_time,
            start_behind=times.start_behind,
            stop_behind=times.stop_behind,
            is_clock_unsure=times.is_clock_unsure,
        )

    def _as_stopped(self, tx: _Billable, so_far: Mapping[int, int]) -> _Billable:
        return tx._replace(
            energy_wh=so_far.get(tx.id, tx.energy_wh), end_time=max(tx.end_time, self._now)
        )

    def _priced(self, tx: _Billable, owner: SessionOwner) -> Priced:
        position = _position(tx)
        doubts = doubt(of_stored(tx.review_told), tx.judge_after, tx.confidence)
        if doubts is not None and not tx.is_open:
            return Priced(owner, PositionKind.HELD_BACK, position, doubts, None, tx.is_open)
        if tx.is_clock_unsure and (both := self._by_both_times(tx, owner)) is not None:
            return Priced(owner, PositionKind.HELD_BACK, position, both.words, None, tx.is_open)
        return self._undoubted(tx, owner, position)

    def _undoubted(self, tx: _Billable, owner: SessionOwner, position: Position) -> Priced:
        if tx.span[1] - tx.span[0] > POSSIBLE:
            doubts = Told(
                "it lasted from {1} to {2}, so a clock was wrong: correct its times",
                Moment(tx.start_time),
                Moment(tx.end_time),
            )
            return Priced(owner, PositionKind.HELD_BACK, position, doubts, None, tx.is_open)
        day = in_zone(tx.span[0], self._rule.zone).date()
        versions = self.tariffs.of(owner.account, tx.charger, day)
        if versions is None:
            words = Told("no tariff is assigned on {1}", Day(day))
            return Priced(owner, PositionKind.UNPRICED, position, words, None, tx.is_open)
        try:
            return self._with_lines(tx, owner, position, versions)
        except (NoVersion, NoPrice) as problem:
            unpriced = Priced(
                owner, PositionKind.UNPRICED, position, str(problem), None, tx.is_open
            )
            if isinstance(problem, NoVersion):
                return unpriced
        by, with_fallback = self._reckoned(versions, quarter(tx.span[1]))
        with suppress(NoPrice):
            priced = self._with_lines(tx, owner, position, with_fallback)
            unpriced = unpriced._replace(reckoned=priced._replace(words=by))
        return unpriced

    def _reckoned(self, versions: Versions, now: int) -> tuple[Told, Versions]:
        """Return by what a price is reckoned with that is not known in a quarter, and a tariff with
        it as its fallback: no more than this can be asked, or what was asked at most lately."""
        words = Told("the most that its tariff asks")
        found = list[Tariff]()
        for version in versions:
            windows = list[Window]()
            for window in version.windows:
                moving = window.moving
                if moving is None or moving.fallback is not None:
                    windows.append(window)
                    continue
                price = moving.cap
                if price is None:
                    words = Told("the dearest kWh of the last seven days")
                    price = self._dearest(version, moving, now)
                windows.append(replace(window, moving=replace(moving, fallback=price)))
            found.append(replace(version, windows=tuple(windows)))
        return words, Versions(found)

    def _dearest(self, version: Tariff, moving: MovingPrice, now: int) -> Decimal | None:
        """Return the highest price of the seven days before a quarter; None if none is known."""
        by_quarter = replace(moving, is_average=False)
        known = self.series.of(version, by_quarter, now - LATELY, now).values()
        return decimal_of(max(known), PRICE_DECIMALS) if known else None

    def _with_lines(
        self, tx: _Billable, owner: SessionOwner, position: Position, versions: Versions
    ) -> Priced:
        zone = self._rule.zone
        evidence = self._evidence(tx, position, versions)
        priced = price_session(position, evidence, versions, zone)
        if priced.split is not None:
            return Priced(owner, PositionKind.SESSION, priced, None, versions, tx.is_open, evidence)
        least = versions.version_at(in_zone(tx.span[0], zone).date()).free_below_wh
        return Priced(
            owner,
            PositionKind.FREE,
            priced,
            Told("less than {1}", Quantity(least, "Wh")),
            versions,
            tx.is_open,
        )

    def _evidence(self, tx: _Billable, position: Position, versions: Versions) -> SessionEvidence:
        billed = Billed(tx.id, *tx.span, position.energy_wh, tx.is_as_told)
        needed = needs(versions, *tx.span, self._rule.zone)
        if not needed.by_quarter:
            return evidence_of(self._rows, billed, needed)
        is_kept = not (tx.is_open or tx.start_behind or tx.stop_behind or tx.is_as_told)
        energy = self.sharing.energy(billed, is_kept=is_kept)
        if len(energy.wh) == len(needed.seams) + 1:
            needed = needed._replace(course=False)
        evidence = evidence_of(self._rows, billed, needed)
        batch = known_then(self._rows, tx.id)
        series = self.series if batch is None else self._series_then(batch)
        prices = moving_prices(needed.by_quarter, series)
        if tx.is_at_fallback:  # a month's mean does not rest on its clock
            prices = {of: known for of, known in prices.items() if not _has_fallback(of[1])}
        evidence = replace(evidence, energy=energy, prices=prices)
        if all(piece.holds[0].sun_price is None for piece in needed.by_quarter):
            return evidence
        if not self.sharing.may_get(tx.charger):
            return replace(evidence, measured=range(energy.first, energy.first + len(energy.wh)))
        measured = self.sharing.measured(energy.first, energy.first + len(energy.wh) - 1)
        return replace(
            evidence,
            sun=self.sharing.sun(tx.id, tx.charger, energy),
            measured={one for one, row in measured.items() if row.is_whole},
        )


def _has_fallback(window: Window) -> bool:
    """Whether a price counts for a window where the times of a session are not sure."""
    moving = window.moving
    return moving is not None and moving.fallback is not None and not moving.is_average


def _position(tx: _Billable) -> Position:
    start, end = tx.span
    return Position(
        id=0,
        transaction=tx.id,
        charger=tx.charger,
        connector=tx.connector,
        space=None,
        tag=tx.id_tag,
        vehicle=None,
        started_at=start,
        ended_at=end,
        energy_wh=max(tx.energy_wh, 0),
        split=None,
        lines=(),
    )


def _told(priced: Priced, since: str) -> Value:
    """Return what a transaction costs, in words. What ended before `since` is billed elsewhere."""
    if priced.position.ended_at is not None and stamp(priced.position.ended_at) < since:
        return Told("nothing here, because it ended before this system began to bill")
    if priced.versions is None:
        return priced.words or ""
    return told_amount(priced.position.amount, next(iter(priced.versions)).currency)


def vehicle_of(owner: SessionOwner) -> int | None:
    """Return the vehicle of the household that the tag of a transaction named at its start."""
    for claim in owner.claims:
        if claim.period.vehicle is not None and claim.period.account == owner.account:
            return claim.period.vehicle
    return None

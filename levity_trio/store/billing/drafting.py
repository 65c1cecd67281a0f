"""Makes the statements of accounts for a month, as rows: what is new, what turned up, and what was
corrected since."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import orjson

from levity_trio.billing.money import CURRENCIES, foot, tax_sums, taxes_of, units
from levity_trio.billing.months import Month, beginning
from levity_trio.billing.ownership import OwnerGround
from levity_trio.billing.pricing import base_fee, correction
from levity_trio.billing.statement import (
    AccountBefore,
    Line,
    MoneyEntry,
    Owner,
    Position,
    PositionKind,
)
from levity_trio.billing.tariff import NoVersion, Versions
from levity_trio.records import in_order, record
from levity_trio.store.billing.months import Begun, Code, Refused, begun
from levity_trio.store.billing.pricing import Priced, Pricer, Rule, vehicle_of
from levity_trio.store.billing.registers import MeterRegisters, registers_of
from levity_trio.store.billing.rows import before_text, lines_of, lines_text, split_text, taxes_text
from levity_trio.store.billing.settling import account_before
from levity_trio.store.billing.statements import UNASKED, Figures, PositionRow
from levity_trio.store.billing.tariffs import Trial
from levity_trio.store.engine.database import Rows, marks, parts
from levity_trio.store.lookups.places import is_prepaid
from levity_trio.told import Amount, Bare, Quantity, Told, beside
from levity_trio.wire.times import in_zone, shifted, stamp

_DAY: Final = timedelta(days=1)
_BILLED: Final = (
    "SELECT {key}, position.id, number, currency, prices, energy_wh, lines, vehicle_id "
    "FROM position JOIN statement ON statement.id = statement_id "
    "WHERE position.account_id = ? AND {key} {which} AND number IS NOT NULL "
    "AND kind IN ('session', 'free', 'base fee', 'correction') "
    "ORDER BY position.id"
)
_CHARGED: Final = (
    "SELECT tx_id, -sum(amount) FROM ledger "
    "WHERE kind IN ('charge', 'correction') AND account_id = ? AND tx_id {} GROUP BY tx_id"
)
"""What was charged, less what was given back while the session was another account's."""
_ACCOUNT: Final = "SELECT name, since, until FROM account WHERE id = ?"
_IS_CHANGED: Final = (
    "SELECT updated_at >= coalesce((SELECT max(closed_at) FROM closing "
    "WHERE account_id IS NULL), '') "
    "FROM account WHERE id = ?"
)
"""Whether an account was changed after the last month was closed."""
_CURRENCY: Final = "SELECT currency FROM tariff ORDER BY id LIMIT 1"
USUAL_CURRENCY: Final = "EUR"
_CARRIED: Final = (
    "SELECT currency, sum(total - coalesce((SELECT sum(amount) FROM ledger "
    "WHERE ledger.statement_id = statement.id AND kind <> 'statement'), 0)) "
    "FROM statement "
    "WHERE account_id = ?1 AND number IS NOT NULL AND is_carried = 1 "
    "AND closing_id = (SELECT max(closing_id) FROM statement WHERE account_id = ?1 "
    "AND number IS NOT NULL) "
    "GROUP BY currency"
)
"""What the last closing left to carry. What was paid or paid out for it since is a row of the
ledger that names it."""

_LAST_BILL: Final = (
    "SELECT printed_number FROM statement WHERE account_id = ? AND month >= ? "
    "AND number IS NOT NULL ORDER BY number LIMIT 1"
)
"""Its number, once a household has got it: the first since the month in which it moved out."""


_REVISION: Final = "SELECT coalesce(max(revision), 0) FROM bill_work"
_TARIFFS: Final = (
    "SELECT (SELECT coalesce(max(id), 0) FROM tariff_version), (SELECT count(withdrawn_at) "
    "FROM tariff_version), (SELECT coalesce(max(id), 0) FROM tariff_assignment)"
)
_DUE: Final = (
    "SELECT tx_id FROM bill_work CROSS JOIN tx ON tx.id = tx_id WHERE revision <= ?"
    " AND status = 'Completed' AND stop_time >= ? AND stop_time < ? ORDER BY revision"
)
_ACCOUNTS: Final = (
    "SELECT id FROM account WHERE since < ? AND coalesce(until, '9999') > ? AND undone_at IS NULL"
)
_CHANGED_ACCOUNTS: Final = (
    "SELECT account_id FROM bill_work WHERE account_id IS NOT NULL AND revision <= ?"
    " AND account_id NOT IN (SELECT id FROM account WHERE undone_at IS NOT NULL)"
)
_ON_STATEMENTS: Final = (
    "SELECT DISTINCT tx_id, position.account_id FROM position "
    "JOIN statement ON statement.id = statement_id "
    "WHERE tx_id IN ({}) AND number IS NOT NULL AND kind <> 'held back'"
)
_BEFORE: Final = (
    "SELECT next_number, coalesce((SELECT digest FROM statement WHERE number IS NOT NULL "
    "ORDER BY number DESC LIMIT 1), ''), (SELECT max(id) FROM biller) "
    "FROM billing"
)


class Terms(NamedTuple):
    """By what statements are made. If it `is_judging`, a session that waits to be judged again
    counts as it would be judged now."""

    rule: Rule
    carry_below: int
    is_judging: bool = False

    def text(self, rows: Rows) -> str:
        """Return the terms as they are stored, with the tariffs that are known now."""
        (tariffs,) = rows(_TARIFFS, ())
        strip = self.rule.policy.strip
        told = {
            "zone": str(self.rule.zone),
            "bill_by": str(self.rule.bill_by),
            "tag_strip": None if strip is None else strip.pattern,
            "carry_below": self.carry_below,
            "tariffs": tariffs,
        }
        return orjson.dumps(told, option=orjson.OPT_SORT_KEYS).decode()


class Grounds(NamedTuple):
    """What a closing goes on from: how far billing is, the terms, the next number, the newest seal,
    and who bills."""

    begun: Begun | None
    terms: str
    next_number: int
    newest_digest: str
    biller: int | None


@record(kw_only=False)
class Plan:
    """The statements of a month that are to be made. `until` is its end, or that of the account
    that moves out."""

    begun: Begun
    month: Month
    account: int | None
    terms: Terms
    until: str
    revision: int

    @property
    def rule(self) -> Rule:
        return self.terms.rule

    @property
    def since(self) -> str:
        """What ended before is billed elsewhere."""
        return stamp(beginning(self.begun.on, self.rule.zone))


class Drafted(NamedTuple):
    """A statement as rows, and the name of its household. `amount` is what the ledger gets for
    it."""

    name: str
    amount: int
    figures: Figures
    positions: Sequence[PositionRow]

    @property
    def gets_number(self) -> bool:
        """Whether it bills anything."""
        return bool(self.figures.carried_in) or any(
            one.kind not in UNASKED for one in self.positions
        )

    @property
    def is_taxed(self) -> bool:
        """Whether anything of its month has tax. A correction has the tax of what it corrects, and
        what began before the month that of then."""
        first_day = date.fromisoformat(f"{self.figures.month}-01")
        since = stamp(beginning(first_day, ZoneInfo(self.figures.zone)))
        return any(
            line.tax_rate
            for one in self.positions
            if one.kind != PositionKind.CORRECTION and (one.started_at or since) >= since
            for line in lines_of(one.lines)
        )


class Draft(NamedTuple):
    """What the statements of a month would be now, by the names of their households.

    `nobodys` are the charging sessions of the month that belong to nobody.
    """

    plan: Plan
    statements: Sequence[Drafted]
    nobodys: Sequence[int]

    def has_unwanted_tax(self, owner: Owner) -> bool:
        """Whether there would be tax on the papers of a sender who charges none."""
        return owner.charges_no_tax and any(one.is_taxed for one in self.statements)


def bill_currency(rows: Rows) -> str:
    """Return in which currency a site counts what no tariff says."""
    found = rows(_CURRENCY, ())
    return str(found[0][0]) if found else USUAL_CURRENCY


def newest_revision(rows: Rows) -> int:
    ((revision,),) = rows(_REVISION, ())
    return int(revision)


def grounds(rows: Rows, terms: Terms) -> Grounds:
    """Return what a closing would go on from now. There is none before `bill begin`."""
    return Grounds(begun(rows), terms.text(rows), *rows(_BEFORE, ())[0])


def draft(rows: Rows, month: Month, account: int | None, terms: Terms) -> Draft:
    """Make the statements of the month that is to be closed next, of all or of one that moves out.
    Raises Refused."""
    plan = _plan(rows, month, account, terms)
    every, drafter = due(rows, plan), Drafter(rows, plan)
    nobodys = every.pop(None, [])
    made = [
        one
        for number, found in every.items()
        if number is not None
        for one in drafter.draft(number, found)
    ]
    made.sort(key=lambda one: (in_order(one.name), one.figures.account_id))
    return Draft(plan, made, nobodys)


def _plan(rows: Rows, month: Month, account: int | None, terms: Terms) -> Plan:
    """Return what is to be made of a month. Raises Refused."""
    known = begun(rows)
    if known is None:
        raise Refused(
            Code.NOT_BEGUN,
            Told("say first since when this system bills: levity-trio bill begin DATE"),
        )
    if month != known.open_month:
        following = Told("{1} is the month to close next", str(known.open_month))
        if Month.of(known.on) <= month < known.open_month:
            raise Refused(Code.CONFLICT, Told("{1} is closed already; {2}", str(month), following))
        raise Refused(Code.CONFLICT, following)
    if not rows("SELECT 1 FROM tariff LIMIT 1", ()):
        raise Refused(
            Code.NO_TARIFF,
            Told("there is no tariff; add one with levity-trio tariff add, and assign it"),
        )
    until = stamp(month.until(terms.rule.zone))
    if account is not None:
        until = _end(rows(_ACCOUNT, (account,)), month, until, account)
    return Plan(known, month, account, terms, until, newest_revision(rows))


def _end(found: Sequence[tuple[Any, ...]], month: Month, until: str, account: int) -> str:
    """Return the end of an account that moves out in a month, or moved out before and gets another
    last bill. Raises Refused."""
    if not found:
        raise Refused(Code.CONFLICT, Told("there is no household {1}", account or 0))
    end: str | None = found[0][2]
    if end is None or end >= until:
        words = Told(
            "household {1} does not end within {2}; enter its last day first",
            found[0][0],
            str(month),
        )
        raise Refused(Code.CONFLICT, words)
    return end


def base_fees(
    rows: Rows, rule: Rule, month: Month, account: int | None
) -> Iterator[tuple[tuple[object, ...], int]]:
    """Yield what base fees of a month come to, of a household or of all: the sheet (its currency,
    kind of prices, tax rate, and statement, or household and month), and the amount of a line."""
    known = begun(rows)
    if known is None:
        return
    since, until = stamp(month.since(rule.zone)), stamp(month.until(rule.zone))
    drafter = Drafter(rows, Plan(known, month, account, Terms(rule, 0), until, 0))
    for (one,) in [(account,)] if account else rows(_ACCOUNTS, (until, since)):
        for kind, statement, line in drafter.fees(one):
            of_next = (None, None) if statement else (one, str(month))
            yield (*kind, f"{line.tax_rate.normalize():f}", statement, *of_next), line.amount


def due(rows: Rows, plan: Plan) -> dict[int | None, list[int]]:
    """Return the transactions of each account that its statement must look at, in the order of the
    account's id; and under None those that are nobody's. An account that has none is there, too."""
    numbers = [number for (number,) in rows(_DUE, (plan.revision, plan.since, plan.until))]
    opened = rows(_ACCOUNTS, (plan.until, stamp(plan.month.since(plan.rule.zone))))
    changed = rows(_CHANGED_ACCOUNTS, (plan.revision,))
    accounts: dict[int | None, list[int]] = defaultdict(
        list, {account: [] for (account,) in (*opened, *changed)}
    )
    pricer = Pricer(rows, plan.rule)
    for part in parts(numbers):
        billed: set[tuple[int, int]] = set(rows(_ON_STATEMENTS.format(marks(part)), part))
        are_billed = {number for number, _ in billed}
        owned = {(number, owner.account) for number, owner in pricer.owners(part).items()}
        pairs = billed | {
            pair for pair in owned if pair[1] is not None or pair[0] not in are_billed
        }
        for number, account in sorted(pairs, key=lambda pair: (pair[0], pair[1] or 0)):
            accounts[account].append(number)
    chosen = (
        sorted(accounts, key=lambda account: account or 0)
        if plan.account is None
        else [plan.account]
    )
    return {account: accounts[account] for account in chosen}


_PRICED: Final = (PositionKind.SESSION, PositionKind.FREE)
_METERED: Final = (*_PRICED, PositionKind.HELD_BACK)
"""They have registers."""


class _Kind(NamedTuple):
    """Statements do not mix these."""

    currency: str
    prices: str


class _Item(NamedTuple):
    """A position with what is stored beside it, and what a wallet was charged for its transaction.
    `of` is None if it may stand on any statement of its account."""

    kind: PositionKind
    position: Position
    of: _Kind | None
    vehicle: int | None = None
    month: Month | None = None
    paid: int = 0


class _Billed(NamedTuple):
    """What closed statements of an account say of one transaction or month: a position, then its
    corrections."""

    positions: Sequence[Position]
    statement: int
    of: _Kind
    vehicle: int | None


class Cost(NamedTuple):
    """What a month costs an account, in minor units with tax. What is unpriced or held back costs
    nothing yet."""

    sessions: int
    energy_wh: int
    amount: int
    unpriced: int
    held_back: int


class Drafter:
    """Makes statements within one read; what it looked up is kept."""

    def __init__(self, rows: Rows, plan: Plan, trial: Trial | None = None) -> None:
        self._rows = rows
        self._plan = plan
        self._pricer = Pricer(rows, plan.rule, trial, is_judging=plan.terms.is_judging)

    def draft(self, account: int, transactions: Sequence[int]) -> list[Drafted]:
        """Return the statements of an account: one, unless some prices are net and others gross.
        The last one of an account that ends carries nothing on, and asks for what was carried
        though nothing else is to be billed."""
        items = [*self._sessions(account, transactions), *self._base_fees(account)]
        if is_prepaid(self._rows, account):
            items = list(map(_prepaid, items))
        corrections = _corrected(items)
        of_prepaid = _corrected(item for item in items if item.position.is_prepaid)
        of_wallet = -sum(min(0, amount) for amount in of_prepaid.values())
        billed = {item.of for item in items if item.of is not None}
        ((name, _, until),) = self._rows(_ACCOUNT, (account,))
        is_last = until is not None and until <= self._plan.until
        earlier: Sequence[Any] = ()
        if is_last:
            ended_in = f"{self._last_day(until):%Y-%m}"
            earlier = self._rows(_LAST_BILL, (account, ended_in))
        carried: dict[str, int] = (
            dict(self._rows(_CARRIED, (account,))) if billed or is_last else {}
        )
        has_nothing_new = not billed and not any(carried.values())
        # What its last bill held back is no reason for another one.
        if has_nothing_new and (earlier or not items):
            return []
        kinds = sorted(billed) or [_Kind(bill_currency(self._rows), "gross")]
        below = 0 if is_last else self._plan.terms.carry_below
        before = account_before(self._rows, account, self._plan.rule.zone, corrections)
        asks = bool(billed) or is_last
        before = replace(
            before,
            set_off=before.set_off if asks else (),
            follows=earlier[0][0] if earlier else None,
        )
        # What it gives back pays earlier statements, so this one asks for as much more. What it
        # gives back to the wallet is asked for nowhere.
        set_off = sum(one.amount for one in before.set_off)
        prepaid = sum(_from_credit(items, kind) for kind in kinds) + min(set_off, of_wallet)
        day = self._last_day(self._plan.until)
        before, lacking = _pay_from_credit(before, prepaid, _paid(items), day, asks=asks)
        currency, asked = kinds[0].currency, lacking + max(0, set_off - of_wallet)
        carried[currency] = carried.get(currency, 0) + asked

        made: list[Drafted] = []
        for kind in kinds:
            of_kind = [item for item in items if (item.of or kinds[0]) == kind]
            one = self._figures(account, kind, of_kind, carried.pop(kind.currency, 0), below)
            if is_last:
                # No statement follows that a credit could be carried to: it is paid out.
                one = one._replace(is_carried=0)
            made.append(Drafted(name, _paid(of_kind) - one.charged, one, [*map(_row, of_kind)]))
        figures = made[0].figures._replace(before=before_text(before))
        made[0] = made[0]._replace(figures=figures)
        return made

    def cost(self, account: int, transactions: Sequence[int]) -> Cost:
        """Return what a month costs an account, whatever was billed of it."""
        priced = [
            one for one in self._pricer.price(transactions).values() if one.account == account
        ]
        counted = [one for one in priced if one.kind in _PRICED]
        lines: dict[_Kind, list[Line]] = defaultdict(list)
        base, tariff = self._base_lines(account, self._plan.month)
        if tariff is not None:
            lines[tariff] += base
        for one in counted:
            if one.versions is not None:
                lines[_kind_of(one.versions)] += one.position.lines
        taxes = [
            tax
            for kind, every in lines.items()
            for tax in tax_sums(every, are_gross=kind.prices == "gross")
        ]
        return Cost(
            sessions=len(counted),
            energy_wh=sum(one.position.energy_wh for one in counted),
            amount=sum(tax.gross for tax in taxes),
            unpriced=sum(one.kind is PositionKind.UNPRICED for one in priced),
            held_back=sum(one.kind is PositionKind.HELD_BACK for one in priced),
        )

    def corrections(self, account: int, transactions: Sequence[int]) -> Mapping[int, int]:
        """Return what closed statements of an account would be corrected by, by their numbers: the
        amount with its tax."""
        return _corrected((*self._sessions(account, transactions), *self._base_fees(account)))

    # Charging sessions

    def _sessions(self, account: int, transactions: Sequence[int]) -> Iterator[_Item]:
        for part in parts(transactions):
            among = f"IN ({marks(part)})"
            billed = self._billed(account, "tx_id", among, part)
            charged: dict[int, int] = dict(self._rows(_CHARGED.format(among), (account, *part)))
            registers = registers_of(self._rows, part)
            for number, priced in sorted(self._pricer.price(part).items(), key=_by_end):
                position = priced.position
                if priced.kind in _METERED and priced.account == account:
                    position = replace(position, **registers[number]._asdict())
                # No paper shows a card of another household.
                for claim in priced.owner.claims:
                    if claim.ground is OwnerGround.TAG and claim.period.account != account:
                        position = replace(position, tag=None)
                known = priced._replace(position=position)
                for item in self._session(account, known, billed.get(number)):
                    if number in charged:
                        yield _prepaid(item)._replace(paid=charged[number])
                    else:
                        yield item

    def _session(self, account: int, priced: Priced, billed: _Billed | None) -> Iterator[_Item]:
        """Yield what a statement says of a transaction, or nothing if all is said."""
        if priced.account != account:
            if billed is not None:
                words = (
                    Told("it belongs to nobody")
                    if priced.account is None
                    else Told("it belongs to another household")
                )
                yield from _correction(
                    billed, replace(priced.position, energy_wh=0, lines=()), words
                )
        elif billed is None:
            yield _new(priced)
        elif priced.kind in _PRICED:
            yield from _correction(billed, priced.position, _difference(billed, priced))

    # Base fees

    def fees(self, account: int) -> Iterator[tuple[_Kind, int, Line]]:
        """Yield the lines of the base fee of the month with the number of their statement: those of
        a closed one, corrections included; else, with 0, those that the next one would have."""
        month = self._plan.month
        billed = self._billed(account, "position.month", "= ?", (str(month),)).get(str(month))
        if billed is not None:
            for position in billed.positions:
                for line in position.lines:
                    yield billed.of, billed.statement, line
        elif month >= self._plan.begun.open_month:
            lines, tariff = self._base_lines(account, month)
            if tariff is not None:
                yield from ((tariff, 0, line) for line in lines)

    def _base_fees(self, account: int) -> Iterator[_Item]:
        """Yield the base fee of the month, and what is to be corrected in those before if the
        account was changed."""
        plan = self._plan
        billed = self._billed(account, "position.month", "IS NOT NULL", ())
        ((is_changed,),) = self._rows(_IS_CHANGED, (account,))
        month = Month.of(plan.begun.on) if is_changed else plan.month
        while month <= plan.month:
            yield from self._base_fee(account, month, billed.get(str(month)))
            month = month.next

    def _base_fee(self, account: int, month: Month, billed: _Billed | None) -> Iterator[_Item]:
        lines, tariff = self._base_lines(account, month)
        position = _month_position(lines)
        if billed is not None:
            for item in _correction(billed, position, Told("base fee of {1}", str(month))):
                yield item._replace(month=month)
        elif lines:
            yield _Item(PositionKind.BASE_FEE, position, tariff, month=month)

    def _base_lines(self, account: int, month: Month) -> tuple[tuple[Line, ...], _Kind | None]:
        lines: list[Line] = []
        tariff = None
        for versions, days in groupby(
            self._days(account, month), key=lambda day: self._tariff(account, day)
        ):
            every = list(days)
            found = () if versions is None else base_fee(versions, every[0], every[-1] + _DAY)
            lines += found
            tariff = _kind_of(versions) if versions is not None and found else tariff
        return tuple(lines), tariff

    def _days(self, account: int, month: Month) -> list[date]:
        """Return the days of a month on which an account is open; one on which it is for some hours
        counts."""
        ((_, since, until),) = self._rows(_ACCOUNT, (account,))
        first = max(month.first_day, self._plan.begun.on, self._local(since).date())
        end = month.next.first_day
        if until is not None:
            end = min(end, self._last_day(until) + _DAY)
        return [first + number * _DAY for number in range((end - first).days)]

    def _last_day(self, until: str) -> date:
        return shifted(self._local(until), timedelta(microseconds=-1)).date()

    def _local(self, text: str) -> datetime:
        return in_zone(datetime.fromisoformat(text), self._plan.rule.zone)

    def _tariff(self, account: int, day: date) -> Versions | None:
        versions = self._pricer.tariffs.of_account(account, day)
        try:
            if versions is not None:
                versions.version_at(day)
        except NoVersion:
            return None
        return versions

    # What closed statements say

    def _billed(
        self, account: int, key: str, which: str, values: Sequence[object]
    ) -> dict[Any, _Billed]:
        found = self._rows(_BILLED.format(key=key, which=which), (account, *values))
        by_key: dict[Any, list[tuple[Any, ...]]] = defaultdict(list)
        for row in found:
            by_key[row[0]].append(row[1:])
        return {one: _billed(rows) for one, rows in by_key.items()}

    # Sums

    def _figures(
        self, account: int, kind: _Kind, items: Sequence[_Item], carried_in: int, carry_below: int
    ) -> Figures:
        positions = [item.position for item in items]
        are_gross = kind.prices == "gross"
        sums = foot(positions, are_gross=are_gross, carried_in=carried_in, carry_below=carry_below)
        return Figures(
            account_id=account,
            month=str(self._plan.month),
            zone=str(self._plan.rule.zone),
            currency=kind.currency,
            prices=kind.prices,
            taxes=taxes_text(sums.taxes),
            charged=sum(tax.gross for tax in sums.taxes) + _from_credit(items, kind),
            carried_in=carried_in,
            total=sums.total,
            is_carried=int(sums.is_carried),
        )


def _by_end(found: tuple[int, Priced]) -> tuple[Any, ...]:
    number, priced = found
    return priced.position.ended_at, number


def _kind_of(versions: Versions) -> _Kind:
    version = next(iter(versions))
    return _Kind(version.currency.code, "gross" if version.are_gross else "net")


def _new(priced: Priced) -> _Item:
    given = Told("given by hand") if priced.owner.given else None
    position = replace(priced.position, reason=priced.words or given)
    tariff = None if priced.versions is None else _kind_of(priced.versions)
    return _Item(priced.kind, position, tariff, vehicle_of(priced.owner))


def _prepaid(item: _Item) -> _Item:
    return item._replace(position=replace(item.position, is_prepaid=True))


def _correction(billed: _Billed, now: Position, words: str) -> Iterator[_Item]:
    """Yield what is billed too much or too little, unless it is right."""
    found = correction(billed.positions, now, str(billed.statement), words)
    if found.lines or found.energy_wh:
        yield _Item(PositionKind.CORRECTION, found, billed.of, billed.vehicle)


def _corrected(items: Iterable[_Item]) -> Mapping[int, int]:
    """Return by how much closed statements are corrected, by their numbers."""
    sums = Counter[int]()
    for item in items:
        position = item.position
        if item.kind is PositionKind.CORRECTION and item.of is not None:
            taxes = tax_sums(position.lines, are_gross=item.of.prices == "gross")
            sums[int(str(position.corrected_statement))] += sum(tax.gross for tax in taxes)
    return sums


def _difference(billed: _Billed, priced: Priced) -> str:
    before = sum(position.energy_wh for position in billed.positions)
    words = Told("its course was corrected")
    if before != priced.position.energy_wh:
        words = Told(
            "its energy was corrected from {1} to {2}",
            Bare(before, "Wh"),
            Quantity(priced.position.energy_wh, "Wh"),
        )
    currency = CURRENCIES[billed.of.currency]
    was, costs = (
        Amount(units(minor, currency), currency.code)
        for minor in (sum(one.amount for one in billed.positions), priced.position.amount)
    )
    return words if was == costs else Told("{1}; it cost {2}, now it costs {3}", words, was, costs)


def _month_position(lines: tuple[Line, ...]) -> Position:
    nothing: dict[str, Any] = dict.fromkeys(
        (
            "transaction",
            "charger",
            "connector",
            "space",
            "tag",
            "vehicle",
            "started_at",
            "ended_at",
            "split",
        )
    )
    return Position(id=0, energy_wh=0, lines=lines, **nothing)


def _billed(rows: Sequence[tuple[Any, ...]]) -> _Billed:
    _, statement, currency, prices, _, _, vehicle = rows[0]
    positions = [
        replace(_month_position(lines_of(lines)), id=number, energy_wh=energy_wh)
        for number, _, _, _, energy_wh, lines, _ in rows
    ]
    return _Billed(positions, statement, _Kind(currency, prices), vehicle)


def _from_credit(items: Iterable[_Item], kind: _Kind) -> int:
    """Return the gross sum of what is prepaid."""
    positions = [item.position for item in items if item.of == kind]
    taxes = taxes_of(positions, is_prepaid=True, are_gross=kind.prices == "gross")
    return sum(tax.gross for tax in taxes)


def _pay_from_credit(
    before: AccountBefore, prepaid: int, paid: int, day: date, *, asks: bool
) -> tuple[AccountBefore, int]:
    """Return how an account stands after its credit paid prepaid lines, of which the wallet `paid`
    a part already; and what no credit covers of them and of any other debt. A statement that `asks`
    asks for that."""
    left = before.credit + paid - prepaid
    lacking = max(0, -left) if asks else 0
    covered = max(min(0, prepaid), prepaid - lacking)

    moved = [one for one in before.moved if one.kind != "charge"]
    charged = sum(one.amount for one in before.moved if one.kind == "charge")
    entries = {
        "statement": -covered,
        "elsewhere": charged + paid,
        "carried": lacking - prepaid + covered,
    }
    for kind, amount in entries.items():
        if amount:
            moved.append(MoneyEntry(day=day, kind=kind, amount=amount, statement=None))
    return replace(before, moved=tuple(moved), credit=left + lacking), lacking


def _paid(items: Iterable[_Item]) -> int:
    """Return what the wallet was charged for already."""
    return sum(item.paid for item in items if item.kind in _PRICED)


def _row(item: _Item) -> PositionRow:
    position = item.position
    started_at, ended_at = (
        None if at is None else stamp(at) for at in (position.started_at, position.ended_at)
    )
    return PositionRow(
        kind=item.kind.value,
        tx_id=position.transaction,
        month=None if item.month is None else str(item.month),
        corrects=position.corrects,
        reason=position.reason,
        told=beside(position.reason),
        cp_id=position.charger,
        conn_id=position.connector,
        id_tag=position.tag,
        vehicle_id=item.vehicle,
        started_at=started_at,
        ended_at=ended_at,
        energy_wh=position.energy_wh,
        split=split_text(position),
        is_prepaid=int(position.is_prepaid),
        lines=lines_text(position.lines),
        amount=position.amount,
        **{name: getattr(position, name) for name in MeterRegisters._fields},
    )


_EARLY: Final = (
    "SELECT statement.account_id, statement.month, tx_id "
    "FROM statement CROSS "
    "JOIN closing ON closing.id = closing_id CROSS "
    "JOIN position ON statement_id = statement.id "
    "WHERE statement.month >= ? AND number IS NOT NULL AND closing.account_id IS NOT NULL"
)


def corrections(rows: Rows, rule: Rule) -> dict[int, int]:
    """Return by how much the closed statements of months that are still open would be corrected, by
    their numbers.

    Amounts are in minor units, tax included.
    """
    known = begun(rows)
    if known is None:
        return {}
    sums = Counter[int]()
    for (account, month), transactions in _billed_early(rows, known).items():
        plan = Plan(known, Month.parse(month), account, Terms(rule, 0), "", newest_revision(rows))
        sums.update(Drafter(rows, plan).corrections(account, transactions))
    return dict(sums)


_CHANGED: Final = (
    "SELECT DISTINCT position.account_id, position.tx_id FROM bill_work "
    "CROSS JOIN position ON position.tx_id = bill_work.tx_id "
    "JOIN statement ON statement.id = statement_id WHERE revision <= ? "
    "AND position.account_id IN ({}) AND number IS NOT NULL AND kind <> 'held back'"
)


def announced(
    rows: Rows, rule: Rule, accounts: Sequence[int]
) -> Iterator[tuple[int, Mapping[int, int]]]:
    """Yield of accounts what their next statements will correct, by the numbers of those that they
    correct, as the preview shows it now."""
    known = begun(rows)
    if known is None:
        return
    transactions: dict[int, list[int]] = defaultdict(list)
    newest, terms = newest_revision(rows), Terms(rule, 0, is_judging=True)
    for part in parts(accounts):
        for account, transaction in rows(_CHANGED.format(marks(part)), (newest, *part)):
            transactions[account].append(transaction)
    for account in accounts:
        plan = Plan(known, known.open_month, account, terms, "", newest)
        yield account, Drafter(rows, plan).corrections(account, transactions[account])


def _billed_early(rows: Rows, known: Begun) -> dict[tuple[int, str], list[int]]:
    """Return the transactions on the statements that were closed early, by account and month."""
    statements: dict[tuple[int, str], set[int]] = defaultdict(set)
    for account, month, transaction in rows(_EARLY, (str(known.open_month),)):
        statements[account, month] |= set() if transaction is None else {transaction}
    return {key: sorted(transactions) for key, transactions in statements.items()}

"""The months of billing: how far each is, what it has, and what of it is held back.

A month has one energy and one sum, and the states for the bill that they consist of. A session
counts as a whole in the month in which it ended, as on a statement, and one that is open in the
present month. What shows a month asks here, or says beside its figure what it leaves out.

The use of a month is what households and cards with a limit of the month have used in it. There, a
session whose figure is in doubt counts as far as it did before.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, tzinfo
from enum import StrEnum
from itertools import groupby, islice
from typing import Any, Final, NamedTuple

from levity_trio.billing.months import Month, beginning
from levity_trio.billing.statement import Owner, Party, PositionKind
from levity_trio.billing.states import BillState
from levity_trio.charging.energy import DOUBTFUL
from levity_trio.records import copied, in_order, record
from levity_trio.store.billing.biller import Biller, address_lines, biller_of, newest_biller
from levity_trio.store.billing.drafting import Draft, Drafted, Terms, draft
from levity_trio.store.billing.months import Begun, Refused, begun
from levity_trio.store.billing.pricing import Priced, Pricer, Rule
from levity_trio.store.billing.rows import names_of
from levity_trio.store.billing.statements import UNASKED, Printed, earlier_of, not_closed, printed
from levity_trio.store.billing.tariffs import parsed
from levity_trio.store.engine.database import Database, Rows, marks, parts, rows_of
from levity_trio.store.lookups.places import NEWEST
from levity_trio.store.reads.chargers.chargers import served
from levity_trio.store.reads.money.statements import OPEN_MONTH, DraftSums, StatementSums
from levity_trio.store.reads.pages import Shape
from levity_trio.store.reads.transactions.costs import BASE_FEE, CostSum, cost_sums, gross_of
from levity_trio.store.reads.transactions.power import flowed_before
from levity_trio.store.reads.transactions.transactions import ACTIVE, TransactionFilters, open_among
from levity_trio.told import Told
from levity_trio.wire.times import in_zone, stamp

_STATES: Final = "SELECT state, count(*), coalesce(sum(energy_wh), 0) FROM booked{} GROUP BY state"


@record
class MonthShare:
    """The sessions of a month that are in one state for their bill, or (without sessions) its base
    fees. `costs` are with tax; null in a list of months."""

    state: str
    sessions: int
    energy_wh: int
    costs: list[CostSum] | None


@record
class MonthFigures:
    """What a month has: `parts`, by the state of its sessions for their bill, add up to it.

    `costs` are its sums by currency. What is in doubt, nobody's or billed elsewhere has none. Of
    its energy, `before_wh` flowed before it began. `later_wh` flowed until its end and counts in
    later months, in which its sessions end. All three are null in a list of months.
    """

    sessions: int
    energy_wh: int
    parts: list[MonthShare]
    costs: list[CostSum] | None
    before_wh: int | None
    later_wh: int | None


class WantedMonth(NamedTuple):
    """A month at a time, and which sessions count. In the present month, open ones do."""

    month: Month
    rule: Rule
    now: datetime
    filters: TransactionFilters = TransactionFilters()


def month_figures(rows: Rows, wanted: WantedMonth, *, is_whole: bool = True) -> MonthFigures:
    """Return what a month has; without costs and flow unless it `is_whole`."""
    month, rule, now, filters = wanted
    since, until = stamp(month.since(rule.zone)), stamp(month.until(rule.zone))
    is_present = month == Month.of(in_zone(now, rule.zone).date())
    ended = replace(filters, ended_since=since, ended_before=until)
    running = replace(filters, status=ACTIVE)

    clause, values = ended.where()
    found = {state: figures for state, *figures in rows(_STATES.format(clause), values)}
    if is_present and (opened := open_among(rows, running)).sessions:
        found[BillState.OPEN] = [*opened]
    costs = before_wh = later_wh = None
    if is_whole:
        counted = (ended, running) if is_present else (ended,)
        # Only a household, or all of them, have base fees.
        fees_of = month if filters == TransactionFilters(account=filters.account) else None
        costs = cost_sums(rows, rule, ended, now, running=counted[1:], fees_of=fees_of)
        if BASE_FEE in costs.by_state:
            found[BASE_FEE] = [0, 0]
        before_wh = flowed_before(rows, since, *counted)
        still_to_end = replace(filters, ended_since=until), running
        later_wh = 0 if is_present else flowed_before(rows, until, *still_to_end)

    parts: list[MonthShare] = []
    for state, (sessions, energy_wh) in sorted(found.items()):
        of_state = costs and costs.by_state.get(state, [])
        parts.append(
            MonthShare(state=state, sessions=sessions, energy_wh=energy_wh, costs=of_state)
        )
    return MonthFigures(
        sessions=sum(part.sessions for part in parts),
        energy_wh=sum(part.energy_wh for part in parts),
        parts=parts,
        costs=costs and costs.sums,
        before_wh=before_wh,
        later_wh=later_wh,
    )


MOST_HELD_BACK: Final = 500


class MonthState(StrEnum):
    """How far a month is. One that is over waits for an earlier one to be closed."""

    RUNNING = "running"
    OVER = "over"
    READY = "ready to close"
    CLOSED = "closed"


@record
class BillMonth(MonthFigures):
    """A month, and what it has so far. `amount` is in minor units of `currency`.

    `from_wallets` is what of it the wallets of prepaid accounts pay; no statement asks for it.
    `carried_in` is what its statements have from earlier ones.

    Until it is closed, what its statements have is null: their number, the amount, and `billed_wh`,
    of which `earlier_wh` ended in earlier months. `corrections` are those of earlier statements.
    `held_back` are sessions that no statement asked for yet, because they wait for a person or a
    tariff.
    """

    month: str
    state: MonthState
    since: str
    until: str
    statements: int | None
    amount: int | None
    from_wallets: int | None
    carried_in: int | None
    currency: str | None
    closed_at: str | None
    closed_by: str | None
    billed_wh: int | None
    earlier_wh: int | None
    corrections: int
    held_back: int


@record
class HeldBackTransaction:
    """A charging session that its statement does not ask for, and why: it waits for a review, or no
    tariff is known.

    Of a closed month, `statement` is that statement, and `asked_on` the one that asks for it since,
    by their numbers; null: that comes with the statement for `comes_in`.
    """

    transaction: int
    account: int
    name: str
    charger: str | None
    connector: int | None
    tag: str | None
    started_at: str
    ended_at: str | None
    energy_wh: int
    kind: str
    reason: str | None
    statement: str | None = None
    asked_on: str | None = None
    comes_in: str | None = None


_TOLD: Final = (
    *("statements", "amount", "from_wallets", "carried_in", "currency", "closed_at", "closed_by"),
    *("billed_wh", "earlier_wh", "corrections", "held_back"),
)
"""What a month has that is closed; of any other, the last two are there."""
_CLOSED: Final = (
    "SELECT count(*), coalesce(sum(charged), 0), coalesce(sum(charged + carried_in - total), 0), "
    "sum(carried_in), max(currency) "
    "FROM statement WHERE month = ? AND number IS NOT NULL"
)
_OF_CLOSED: Final = (
    "SELECT coalesce(sum(energy_wh) FILTER (WHERE kind NOT IN ('held back', 'unpriced')), 0), "
    "coalesce(sum(energy_wh) FILTER (WHERE kind NOT IN ('held back', 'unpriced') "
    "AND ended_at < ?), 0), coalesce(sum(kind = 'correction'), 0), "
    "coalesce(sum(kind IN ('held back', 'unpriced')), 0) "
    "FROM statement CROSS "
    "JOIN position ON statement_id = statement.id "
    "WHERE statement.month = ? AND number IS NOT NULL"
)
DOUBT: Final = (
    f"(review IS NOT NULL OR judge_after IS NOT NULL OR coalesce(confidence, '') = '{DOUBTFUL}')"
)
"""Whether the figure of a charging session waits for a person or for the judge."""
_CLOSING: Final = "SELECT closed_at, closed_by FROM closing WHERE month = ? AND account_id IS NULL"
_HELD_BACK: Final = Shape(
    HeldBackTransaction,
    account="statement.account_id",
    name="account.name",
    charger="position.cp_id",
    tag="id_tag",
    statement="printed_number",
    asked_on=(
        "(SELECT later.printed_number FROM position AS one "
        "JOIN statement AS later ON later.id = one.statement_id "
        "WHERE one.tx_id = position.tx_id AND one.account_id = position.account_id "
        "AND one.kind IN ('session', 'free') AND later.number IS NOT NULL "
        "ORDER BY one.id DESC LIMIT 1)"
    ),
    comes_in=OPEN_MONTH,
).beside(reason="told")
_ASKED_FOR_LATER: Final = (
    "FROM statement CROSS JOIN position ON statement_id = statement.id"
    " JOIN account ON account.id = statement.account_id"
    " WHERE statement.month = ? AND number IS NOT NULL AND kind IN ('held back', 'unpriced')"
    " ORDER BY kind DESC, account.name, ended_at, position.id LIMIT ?"
)


def months(
    db: Database, rule: Rule, now: datetime, before: str | None, most: int
) -> list[BillMonth]:
    """Return the months since billing began, the newest first, those before a month; none before
    `bill begin`."""
    rows = rows_of(db)
    known = begun(rows)
    if known is None:
        return []
    found = _newest_first(known, rule.zone, now)
    chosen = (one for one in found if before is None or str(one) < before)
    wanted = (WantedMonth(one, rule, now) for one in islice(chosen, most))
    return [of_month(rows, known, one, is_whole=False) for one in wanted]


def month(db: Database, wanted: WantedMonth) -> BillMonth | None:
    """Return one month; None for one before billing began, or that has not begun."""
    rows = rows_of(db)
    known = begun(rows)
    if known is None or wanted.month not in _newest_first(known, wanted.rule.zone, wanted.now):
        return None
    return of_month(rows, known, wanted)


def held_back_of_month(db: Database, month: str) -> list[HeldBackTransaction]:
    """Return what the closed statements of a month did not ask for, by household."""
    return _HELD_BACK.every(db, _ASKED_FOR_LATER, (month, MOST_HELD_BACK))


def _newest_first(known: Begun, zone: tzinfo, now: datetime) -> Iterator[Month]:
    """Yield the months from the present one back to the first, which may be one to come."""
    first = Month.of(known.on)
    one = max(first, Month.of(in_zone(now, zone).date()))
    while one >= first:
        yield one
        one = one.before


def of_month(rows: Rows, known: Begun, wanted: WantedMonth, *, is_whole: bool = True) -> BillMonth:
    """Return one month since billing began, within a read that has begun; without costs and flow
    unless it `is_whole`."""
    month, zone = wanted.month, wanted.rule.zone
    since, until = max(month.since(zone), beginning(known.on, zone)), month.until(zone)
    state = MonthState.READY if month == known.open_month else MonthState.OVER
    if month < known.open_month:
        state = MonthState.CLOSED
    elif until > wanted.now:
        state = MonthState.RUNNING

    figures = month_figures(rows, wanted, is_whole=is_whole)
    held_back = sum(one.sessions for one in figures.parts if one.state == BillState.HELD_BACK)
    told: list[Any] = [*[None] * 9, 0, held_back]
    if state is MonthState.CLOSED:
        (papers,), (by,) = rows(_CLOSED, (str(month),)), rows(_CLOSING, (str(month),))
        (positions,) = rows(_OF_CLOSED, (stamp(since), str(month)))
        told = [*papers, *by, *positions]
    return copied(
        BillMonth,
        figures,
        month=str(month),
        state=state,
        since=stamp(since),
        until=stamp(until),
        **dict(zip(_TOLD, told, strict=True)),
    )


NAMED: Final = 20
"""Things of a kind that are named; `count` is of all."""


class Weight(StrEnum):
    """What comes of it: the month cannot be closed; it comes on a later statement; or a paper lacks
    something."""

    BLOCKS = "blocks"
    LATER = "later"
    PAPER = "paper"


class Lack(StrEnum):
    """What is missing, in the order in which it is told."""

    NOT_OVER = "not_over"
    EARLIER_MONTH = "earlier_month"
    NO_BILLER = "no_biller"
    NO_TARIFF = "no_tariff"
    UNPRICED = "unpriced"
    DOUBTFUL = "doubtful"
    MESSAGES = "messages"
    NOBODYS = "nobodys"
    AWAY = "away"
    NO_TAX_KIND = "no_tax_kind"
    TAX_UNWANTED = "tax_unwanted"
    NO_TAX_RATE = "no_tax_rate"
    NO_SENDER_ADDRESS = "no_sender_address"
    NO_BANK_ACCOUNT = "no_bank_account"
    NO_TAX_NUMBER = "no_tax_number"
    NO_ADDRESS = "no_address"
    UNREAD_METER = "unread_meter"


@record
class MissingSubject:
    """A charger, household, tariff or meter that it is about; `since` is since when it is away."""

    id: str
    name: str
    since: str | None = None


@record
class MissingPiece:
    """Something that is missing: how many there are, of how much energy, and which.

    `month` is the one to close before, `at` when this one is over. `words` say what papers lack.
    """

    code: Lack
    weight: Weight
    count: int = 1
    energy_wh: int | None = None
    month: str | None = None
    at: str | None = None
    things: tuple[MissingSubject, ...] = ()
    words: str = ""


BLOCKING: Final = frozenset(
    {Lack.NOT_OVER, Lack.EARLIER_MONTH, Lack.NO_BILLER, Lack.NO_TARIFF, Lack.UNPRICED}
)
ON_PAPER: Final[Mapping[Lack, str]] = {
    Lack.NO_TAX_KIND: Told("nobody said yet how the sender is taxed"),
    Lack.TAX_UNWANTED: Told(
        "the sender charges no tax, but these tariffs have some, and who shows tax owes it. "
        "Set it to 0 there, or change how the sender is taxed"
    ),
    Lack.NO_TAX_RATE: Told(
        "the sender is taxed, but no tariff has a tax rate. Enter the rate there, or change "
        "how the sender is taxed"
    ),
    Lack.NO_SENDER_ADDRESS: Told("the sender has no address, which stands on each bill"),
    Lack.NO_BANK_ACCOUNT: Told(
        "the sender has no bank account, so the statements do not say how to pay"
    ),
    Lack.NO_TAX_NUMBER: Told(
        "above 250 EUR, a bill has the tax number or the VAT number of its sender"
    ),
    Lack.NO_ADDRESS: Told("above 250 EUR, a bill has the address of the household"),
    Lack.UNREAD_METER: Told("to check the energy, read at the end of the month the meter"),
}
LASTING: Final = (Lack.NO_SENDER_ADDRESS, Lack.NO_TAX_NUMBER, Lack.NO_ADDRESS)
"""What a closed paper lacks for good."""
_PAPERS: Final = (
    "SELECT statement.id, statement.account_id, charged, "
    "coalesce(added.biller_id, closing.biller_id), coalesce(added.party, statement_party.party) "
    "FROM statement JOIN closing ON closing.id = closing_id "
    "JOIN statement_party ON statement_id = statement.id "
    "LEFT JOIN supplement AS added ON added.id = (SELECT max(id) FROM supplement "
    "WHERE account_id = statement.account_id AND month = statement.month "
    "AND made_at >= closed_at) "
    "WHERE statement.month = ? AND number IS NOT NULL AND currency = 'EUR' "
    "AND closing.biller_id IS NOT NULL AND statement_party.party IS NOT NULL ORDER BY number"
)
_ACCOUNT: Final = "SELECT name, address, contact FROM account WHERE id = ?"
SMALL_BILL: Final = 25_000
"""§ 33 UStDV: up to 250 EUR, a bill needs neither the sender's tax number nor to whom it goes."""
_TARIFF: Final = "SELECT 1 FROM tariff_version WHERE withdrawn_at IS NULL LIMIT 1"
_DOUBTFUL: Final = (
    "SELECT count(*), coalesce(sum(energy_delivered), 0) FROM cp "  # noqa: S608
    "CROSS JOIN tx INDEXED BY tx_by_end ON cp_id = cp.id "
    "WHERE stop_time >= ? AND stop_time < ? AND tx.status = 'Completed' AND imported_id IS NULL "
    f"AND {DOUBT} AND (judge_after IS NULL OR review IS NOT NULL)"
)
_MESSAGES: Final = (
    "SELECT count(*) FROM set_aside WHERE looked_at IS NULL AND received_at < ?"
    " AND cp_id NOT IN (SELECT id FROM hidden_cp)"
)
_WITHOUT_ADDRESS: Final = (
    "SELECT id, name FROM account WHERE coalesce(address, '') = '' AND id IN ({})"
)
_HOLDING: Final = (
    "SELECT tariff.id, name, toml FROM tariff CROSS JOIN tariff_version AS version "
    "ON tariff_id = tariff.id WHERE withdrawn_at IS NULL AND NOT EXISTS (SELECT 1 "
    "FROM tariff_version AS later WHERE later.tariff_id = tariff.id AND withdrawn_at IS NULL "
    "AND later.since > version.since AND later.since <= ?) AND EXISTS (SELECT 1 "
    "FROM tariff_assignment AS one WHERE one.tariff_id = tariff.id AND NOT EXISTS (SELECT 1 "
    "FROM tariff_assignment AS later WHERE later.scope = one.scope AND later.key = one.key "
    "AND (later.since, later.id) > (one.since, one.id) AND later.since <= ?)) ORDER BY name"
)
"""The versions of tariffs that somebody has on a day or later."""
_UNREAD: Final = (
    "SELECT id, name FROM meter "
    "WHERE since < ? AND coalesce(until, '9999') > ? AND NOT EXISTS (SELECT 1 FROM meter_reading "
    "WHERE meter_id = meter.id AND voided_at IS NULL AND at >= ?)"
)


def missing(
    db: Database, month: BillMonth, sums: DraftSums | None, found: Draft | None
) -> list[MissingPiece]:
    """Return what is missing before a month can be closed; nothing of one that is closed.

    `found` are its statements, and `sums` what they come to: None if it is not its turn, or nothing
    has a price.
    """
    if month.state is MonthState.CLOSED:
        return []
    rows = rows_of(db)
    biller = newest_biller(rows)
    lacks = [
        *_blocking(rows, month, sums, biller),
        *_later(db, rows, month, sums),
        *_on_paper(rows, month, found, biller),
    ]
    return [lack for lack in lacks if lack.count]


def _blocking(
    rows: Rows, month: BillMonth, sums: DraftSums | None, biller: Biller | None
) -> Iterator[MissingPiece]:
    known = begun(rows)
    if month.state is MonthState.RUNNING:
        yield _piece(Lack.NOT_OVER, at=month.until)
    if known is not None and known.open_month != Month.parse(month.month):
        yield _piece(Lack.EARLIER_MONTH, month=str(known.open_month))
    if biller is None:
        yield _piece(Lack.NO_BILLER)
    if not rows(_TARIFF, ()):
        yield _piece(Lack.NO_TARIFF)
    if sums is not None:
        yield _piece(Lack.UNPRICED, sums.unpriced, energy_wh=sums.unpriced_wh)


def _later(
    db: Database, rows: Rows, month: BillMonth, sums: DraftSums | None
) -> Iterator[MissingPiece]:
    ((doubtful, doubtful_wh),) = rows(_DOUBTFUL, (month.since, month.until))
    yield _piece(Lack.DOUBTFUL, doubtful, energy_wh=doubtful_wh)
    ((messages,),) = rows(_MESSAGES, (month.until,))
    yield _piece(Lack.MESSAGES, messages)
    if sums is not None:
        yield _piece(Lack.NOBODYS, sums.nobody, energy_wh=sums.nobody_wh)
    away = [
        MissingSubject(id=charger.id, name=charger.name or charger.id, since=charger.since)
        for charger in served(db)
        if not charger.is_connected and charger.since is not None and charger.since < month.until
    ]
    yield _about(Lack.AWAY, away)


def _on_paper(
    rows: Rows, month: BillMonth, found: Draft | None, biller: Biller | None
) -> Iterator[MissingPiece]:
    if biller is not None:
        owner = biller.owner
        is_unwanted = found is not None and found.has_unwanted_tax(owner)
        for piece in _of_sender(rows, owner, Month.parse(month.month).first_day):
            is_refused = is_unwanted and piece.code is Lack.TAX_UNWANTED
            yield replace(piece, weight=Weight.BLOCKS) if is_refused else piece
        yield from _of_large_bills(rows, owner, found)
    if month.state is not MonthState.RUNNING:
        unread = rows(_UNREAD, (month.until, month.since, month.until))
        yield _about(Lack.UNREAD_METER, _named(unread))


def lacks_of_sender(db: Database, day: date) -> list[MissingPiece]:
    """Return what the sender of bills lacks on each paper from a day on."""
    rows = rows_of(db)
    biller = newest_biller(rows)
    lacks = [] if biller is None else [*_of_sender(rows, biller.owner, day)]
    return [lack for lack in lacks if lack.count]


def lacks_of_closed(db: Database, month: str) -> list[MissingPiece]:
    """Return what the papers of a closed month lack, and whose they are."""
    lacks: dict[Lack, list[tuple[int, str]]] = {code: [] for code in LASTING}
    for paper in _papers(rows_of(db), month):
        for code in _lacking(paper.owner, paper.to, paper.charged):
            lacks[code].append((paper.account, paper.to.name))
    return [_about(code, _named(whose)) for code, whose in lacks.items() if whose]


class _ClosedPaper(NamedTuple):
    """A closed paper in EUR: its row, its household, what it asks for, and who bills and to whom it
    goes, as it says or as was added."""

    id: int
    account: int
    charged: int
    owner: Owner
    to: Party


def _papers(rows: Rows, month: str) -> Iterator[_ClosedPaper]:
    for number, account, charged, biller_id, party in rows(_PAPERS, (month,)):
        owner = biller_of(rows, biller_id).owner
        yield _ClosedPaper(number, account, charged, owner, names_of(party).party)


def _lacking(owner: Owner, to: Party, charged: int) -> Iterator[Lack]:
    """Yield what a paper lacks for good (§§ 14 UStG, 33 UStDV)."""
    if owner.tax_kind == "no business":
        return
    if not owner.party.address:
        yield Lack.NO_SENDER_ADDRESS
    if charged > SMALL_BILL and not owner.tax_number and not owner.vat_number:
        yield Lack.NO_TAX_NUMBER
    if charged > SMALL_BILL and not to.address:
        yield Lack.NO_ADDRESS


@record
class Addition:
    """What is added to all closed papers of a household for a month: who bills, and to whom they
    go."""

    account: int
    biller: Biller
    to: Party
    statements: tuple[Printed, ...]


def additions(db: Database, month: str) -> list[Addition]:
    """Return what can be added to the papers of a closed month by what is known now."""
    rows = rows_of(db)
    biller = newest_biller(rows)
    if biller is None:
        return []
    papers: dict[int, list[_ClosedPaper]] = defaultdict(list)
    for paper in _papers(rows, month):
        papers[paper.account].append(paper)
    found: list[Addition] = []
    for account, own in papers.items():
        ((name, address, contact),) = rows(_ACCOUNT, (account,))
        to = Party(name=name, address=address_lines(address), contact=contact)
        is_known = False
        for paper in own:
            owner = replace(biller.owner, tax_kind=paper.owner.tax_kind)
            lacked = {*_lacking(paper.owner, paper.to, paper.charged)}
            is_known |= not lacked <= {*_lacking(owner, to, paper.charged)}
        if is_known:
            statements = tuple(printed(rows, (paper.id for paper in own)))
            found.append(Addition(account=account, biller=biller, to=to, statements=statements))
    return found


def _of_sender(rows: Rows, owner: Owner, day: date) -> Iterator[MissingPiece]:
    if owner.tax_kind is None:
        yield _piece(Lack.NO_TAX_KIND)
    # Tax rates of tariffs may say something else than the sender.
    by_tax: dict[bool, dict[int, str]] = {True: {}, False: {}}
    for number, name, toml in rows(_HOLDING, (day.isoformat(), day.isoformat())):
        by_tax[parsed(toml).has_tax][number] = name
    if owner.charges_no_tax:
        yield _about(Lack.TAX_UNWANTED, _named(by_tax[True].items()))
    if owner.tax_kind == "taxed" and not by_tax[True]:
        yield _about(Lack.NO_TAX_RATE, _named(by_tax[False].items()))
    if owner.tax_kind != "no business" and not owner.party.address:
        yield _piece(Lack.NO_SENDER_ADDRESS)
    if not owner.bank_account:
        yield _piece(Lack.NO_BANK_ACCOUNT)


def _of_large_bills(rows: Rows, owner: Owner, found: Draft | None) -> Iterator[MissingPiece]:
    if found is None or owner.tax_kind == "no business":
        return
    in_euros = [one.figures for one in found.statements if one.figures.currency == "EUR"]
    large = [figures.account_id for figures in in_euros if figures.charged > SMALL_BILL]
    if large and not owner.tax_number and not owner.vat_number:
        yield _piece(Lack.NO_TAX_NUMBER)
    among = _WITHOUT_ADDRESS.format(marks(large) or "NULL")
    yield _about(Lack.NO_ADDRESS, _named(rows(among, large)))


def _piece(code: Lack, count: int = 1, **more: Any) -> MissingPiece:
    weight = Weight.PAPER if code in ON_PAPER else Weight.LATER
    if code in BLOCKING:
        weight = Weight.BLOCKS
    words = ON_PAPER.get(code, "")
    return MissingPiece(code=code, weight=weight, count=count, words=words, **more)


def _about(code: Lack, things: Sequence[MissingSubject]) -> MissingPiece:
    return _piece(code, len(things), things=tuple(things[:NAMED]))


def _named(rows: Iterable[Sequence[Any]]) -> list[MissingSubject]:
    """Return households, tariffs or meters, by their names."""
    found = sorted(rows, key=lambda row: in_order(row[1]))
    return [MissingSubject(id=str(key), name=name) for key, name in found]


OF_ONE: Final = 100
"""A number above that of the statements of one account."""
_ENERGY: Final = "SELECT coalesce(sum(energy_delivered), 0) FROM tx WHERE id IN ({})"


@record
class DraftStatement(StatementSums):
    """A statement that is not closed. `unpriced` are its sessions without a tariff. Its `id` is
    made of its account, so it stays when the month changes."""

    id: int
    unpriced: int


@record
class MonthPreview:
    """What a month would be if it was closed now, of all households or of one that moves out: its
    statements, the sessions that they would not ask for, what the month has, and what is missing
    before it can be closed."""

    month: str
    account: int | None
    sums: DraftSums
    figures: MonthFigures
    data: list[DraftStatement]
    held_back: list[HeldBackTransaction]
    missing: list[MissingPiece]


def preview(
    db: Database, month: Month, account: int | None, terms: Terms, now: datetime
) -> MonthPreview:
    """Return what a month would be; its statements are in the order of the households' names.
    Raises Refused."""
    rows = rows_of(db)
    found = draft(rows, month, account, terms._replace(is_judging=True))
    wanted = WantedMonth(month, terms.rule, now)
    sums = _sums(rows, found, stamp(month.since(terms.rule.zone)))
    shown = of_month(rows, found.plan.begun, wanted)
    return MonthPreview(
        month=str(month),
        account=account,
        sums=sums,
        figures=month_figures(rows, wanted._replace(filters=TransactionFilters(account=account))),
        data=[_shown(number, one) for number, one in _numbered(found)],
        held_back=_held_back(found),
        missing=missing(db, shown, sums, found),
    )


def missing_of(db: Database, one: Month, terms: Terms, now: datetime) -> list[MissingPiece] | None:
    """Return what is missing before a month can be closed; None for one before billing began, or
    that has not begun.

    Sessions without a tariff and those of nobody are known of the month that is to be closed next.
    """
    shown = month(db, WantedMonth(one, terms.rule, now))
    if shown is None:
        return None
    rows = rows_of(db)
    try:
        found = draft(rows, one, None, terms._replace(is_judging=True))
    except Refused:
        return missing(db, shown, None, None)
    return missing(db, shown, _sums(rows, found, shown.since), found)


def drafted(
    db: Database, month: Month, account: int | None, terms: Terms, number: int | None = None
) -> list[Printed]:
    """Return the statements of a month as they would be, or the one with an id of DraftStatement.
    Raises Refused."""
    rows = rows_of(db)
    found = draft(rows, month, account, terms._replace(is_judging=True))
    return [*not_closed(rows, (one[2:] for key, one in _numbered(found) if number in (None, key)))]


def _numbered(found: Draft) -> Iterator[tuple[int, Drafted]]:
    for account, statements in groupby(found.statements, key=lambda one: one.figures.account_id):
        for place, one in enumerate(statements):
            yield account * OF_ONE + place, one


def _shown(number: int, one: Drafted) -> DraftStatement:
    figures, kinds = one.figures, Counter(position.kind for position in one.positions)
    return copied(
        DraftStatement,
        figures,
        id=number,
        account=figures.account_id,
        name=one.name,
        sessions=kinds[PositionKind.SESSION] + kinds[PositionKind.FREE],
        energy_wh=sum(
            position.energy_wh for position in one.positions if position.kind not in UNASKED
        ),
        amount=figures.total - figures.carried_in,
        is_carried=bool(figures.is_carried),
        corrections=kinds[PositionKind.CORRECTION],
        held_back=kinds[PositionKind.HELD_BACK],
        unpriced=kinds[PositionKind.UNPRICED],
    )


def _sums(rows: Rows, found: Draft, since: str) -> DraftSums:
    count, energy_wh, earlier_wh = Counter[str](), Counter[str](), 0
    for one in found.statements:
        for position in one.positions:
            count[position.kind] += 1
            energy_wh[position.kind] += position.energy_wh
        earlier_wh += earlier_of(one.positions, since)
    billed = [one.figures for one in found.statements if one.gets_number]
    nobody_wh = sum(rows(_ENERGY.format(marks(part)), part)[0][0] for part in parts(found.nobodys))
    return DraftSums(
        statements=len(billed),
        sessions=count[PositionKind.SESSION] + count[PositionKind.FREE],
        energy_wh=sum(wh for kind, wh in energy_wh.items() if kind not in UNASKED),
        earlier_wh=earlier_wh,
        charged=sum(one.charged for one in billed),
        from_wallets=sum(one.charged + one.carried_in - one.total for one in billed),
        carried_in=sum(one.carried_in for one in billed),
        to_pay=sum(one.total for one in billed if not one.is_carried),
        corrections=count[PositionKind.CORRECTION],
        held_back=count[PositionKind.HELD_BACK],
        held_back_wh=energy_wh[PositionKind.HELD_BACK],
        unpriced=count[PositionKind.UNPRICED],
        unpriced_wh=energy_wh[PositionKind.UNPRICED],
        nobody=len(found.nobodys),
        nobody_wh=nobody_wh,
        currency=max((one.currency for one in billed), default=None),
    )


def _held_back(found: Draft) -> list[HeldBackTransaction]:
    every: list[HeldBackTransaction] = []
    for one in found.statements:
        for position in one.positions:
            if position.kind in UNASKED and position.tx_id is not None:
                held_back = copied(
                    HeldBackTransaction,
                    position,
                    transaction=position.tx_id,
                    account=one.figures.account_id,
                    name=one.name,
                    charger=position.cp_id,
                    connector=position.conn_id,
                    tag=position.id_tag,
                    started_at=position.started_at or "",
                    statement=None,
                    asked_on=None,
                    comes_in=None,
                )
                every.append(held_back)
    return sorted(every, key=lambda one: one.kind, reverse=True)


IS_OF_MONTH: Final = "(month_wh IS NOT NULL OR month_amount IS NOT NULL)"
LIMITED: Final = (
    f"SELECT what, key, month_wh, month_amount FROM usage_limit WHERE {NEWEST} AND {IS_OF_MONTH}"  # noqa: S608
)
_ANY: Final = (
    f"SELECT 1 FROM usage_limit WHERE {IS_OF_MONTH} UNION ALL SELECT 1 FROM month_standing LIMIT 1"  # noqa: S608 - ours
)
_ENDED: Final = (
    "SELECT id FROM tx INDEXED BY tx_ended "
    "WHERE stop_time IS NOT NULL AND stop_time >= ? "
    "ORDER BY stop_time, id"
)
_OPEN: Final = "SELECT id FROM tx INDEXED BY tx_open WHERE status = 'Active' ORDER BY id"
_CHANGED: Final = (
    "SELECT tx_id, revision FROM bill_work "
    "WHERE revision > ? AND tx_id IS NOT NULL ORDER BY revision LIMIT ?"
)
_REVISIONS: Final = "SELECT tx_id, revision FROM bill_work WHERE tx_id IN ({})"
_KEPT: Final = (
    "SELECT tx_id, account_id, key, ended_at, wh, amount FROM month_use WHERE tx_id IN ({})"
)
_TO_STOP: Final = (
    "SELECT tx_id, cp_id "
    "FROM month_standing INDEXED BY month_standing_reached "
    "JOIN month_use ON month_use.ended_at IS NULL AND (what = 'tag' "
    "AND month_use.key = month_standing.key OR what = 'account' "
    "AND month_use.account_id = CAST(month_standing.key AS INTEGER)) "
    "JOIN tx ON tx.id = tx_id "
    "WHERE reached_at IS NOT NULL AND until > ? AND status = 'Active' "
    "AND coalesce(stop_asked_at, '') <= ?"
)


MILLION: Final = 10**6


class CountedTransaction(NamedTuple):
    """What a transaction counts for now. `revision` is the one of its last change that this knows,
    0 without any.

    `account` and `key` are the household and the tag with a limit that it counts for, if any;
    `ended_at` is None while it is open. `amount` is with tax, in millionths of a minor unit: tax is
    rounded once for the month.
    """

    transaction: int
    revision: int
    account: int | None
    key: str | None
    ended_at: str | None
    wh: int
    amount: int


def are_limited(db: Database) -> bool:
    """Whether a card or a household has, or had, a limit of a month."""
    return bool(db.execute(_ANY).fetchall())


def newest_revision(db: Database) -> int:
    """Return the revision of the last change that bills depend on."""
    return int(db.execute("SELECT coalesce(max(revision), 0) FROM bill_work").fetchall()[0][0])


def ended_since(db: Database, since: str) -> list[int]:
    """Return the transactions that ended since a time."""
    return [number for (number,) in db.execute(_ENDED, (since,)).fetchall()]


def changed(db: Database, after: int, most: int) -> list[tuple[int, int]]:
    """Return the next transactions of which something changed after a revision, with the revision
    of the change."""
    return db.execute(_CHANGED, (after, most)).fetchall()


def open_now(db: Database) -> list[int]:
    """Return the open transactions."""
    return [number for (number,) in db.execute(_OPEN).fetchall()]


def to_stop(db: Database, at: str, before: str) -> list[tuple[int, str]]:
    """Return the open transactions of those who have used what they may, with their chargers, that
    were not asked to stop since a time."""
    return [*dict.fromkeys(db.execute(_TO_STOP, (at, before)).fetchall())]


def counted(db: Database, numbers: Sequence[int], rule: Rule) -> list[CountedTransaction]:
    """Return those of the transactions that count for something else than is stored."""
    if not numbers:
        return []
    rows = rows_of(db)
    among = marks(numbers)
    kept = {row[0]: row[1:] for row in rows(_KEPT.format(among), numbers)}
    accounts, keys = _limited(rows)
    pricer = Pricer(rows, rule)
    tags: dict[int, str | None] = dict(
        rows(f"SELECT id, id_tag FROM tx WHERE id IN ({among})", numbers)  # noqa: S608
    )
    owned = {
        number: (owner.account if owner.account in accounts else None)
        for number, owner in pricer.owners(numbers).items()
    }
    keyed = {
        number: key for number, tag in tags.items() if tag and (key := rule.policy.key(tag)) in keys
    }
    concerned = [
        one for one in numbers if one in kept or owned.get(one) is not None or one in keyed
    ]
    revisions: dict[int, int] = dict(rows(_REVISIONS.format(among), numbers))
    found = [
        _counted(
            one, revisions.get(number, 0), owned.get(number), keyed.get(number), kept.get(number)
        )
        for number, one in pricer.price(concerned).items()
    ]
    return [one for one in found if kept.get(one.transaction) != tuple(one[2:])]


def _limited(rows: Rows) -> tuple[set[int], set[str]]:
    """Return the accounts and the normal forms of tags that have a limit of a month."""
    keys: dict[str, set[str]] = {"account": set(), "tag": set()}
    for what, key, *_ in rows(LIMITED, ()):
        keys[what].add(key)
    return {*map(int, keys["account"])}, keys["tag"]


def _counted(
    priced: Priced,
    revision: int,
    account: int | None,
    key: str | None,
    kept: tuple[object, ...] | None,
) -> CountedTransaction:
    position, amount = priced.position, None
    if gross_of(priced) is not None and priced.versions is not None:
        are_gross = next(iter(priced.versions)).are_gross
        amount = sum(
            line.amount * int(MILLION + (0 if are_gross else line.tax_rate * MILLION / 100))
            for line in position.lines
        )
    *_, kept_wh, kept_amount = kept or (0, 0)
    is_doubtful = priced.kind is PositionKind.HELD_BACK
    return CountedTransaction(
        transaction=position.transaction or 0,
        revision=revision,
        account=account,
        key=key,
        ended_at=None if priced.is_open or position.ended_at is None else stamp(position.ended_at),
        wh=int(str(kept_wh)) if is_doubtful else position.energy_wh,
        amount=int(str(kept_amount)) if is_doubtful or amount is None else max(0, amount),
    )

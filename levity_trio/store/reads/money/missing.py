"""What is missing before a month can be closed: what blocks, what comes later, and what its papers
would lack."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from enum import StrEnum
from typing import Any, Final, NamedTuple

from levity_trio.billing.months import Month
from levity_trio.billing.statement import Owner, Party
from levity_trio.records import in_order, record
from levity_trio.store.billing.biller import Biller, address_lines, biller_of, newest_biller
from levity_trio.store.billing.drafting import Draft
from levity_trio.store.billing.months import begun
from levity_trio.store.billing.rows import names_of
from levity_trio.store.billing.statements import Printed, printed
from levity_trio.store.billing.tariffs import parsed
from levity_trio.store.engine.database import Database, Rows, marks, rows_of
from levity_trio.store.reads.chargers.chargers import served
from levity_trio.store.reads.money.billing import DraftSums
from levity_trio.store.reads.money.months import DOUBT, BillMonth, MonthState
from levity_trio.told import Told

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
    """What is added to all closed papers of a household for a month: who bills and to whom they
    go, and which of that they lacked."""

    account: int
    biller: Biller
    to: Party
    statements: tuple[Printed, ...]
    added: frozenset[str]


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
        added: set[str] = set()
        for paper in own:
            owner = replace(biller.owner, tax_kind=paper.owner.tax_kind)
            added |= {*_lacking(paper.owner, paper.to, paper.charged)}
            added -= {*_lacking(owner, to, paper.charged)}
        if added:
            statements = tuple(printed(rows, (paper.id for paper in own)))
            addition = Addition(
                account=account, biller=biller, to=to, statements=statements, added=frozenset(added)
            )
            found.append(addition)
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

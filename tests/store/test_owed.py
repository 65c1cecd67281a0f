"""What a household owes is one figure: whatever happens in whatever order, each place that names a
sum to pay now names the same one."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, cast

import trio

from levity_trio.billing.examples import BASE_FEE
from levity_trio.billing.ledger import LedgerKind, WalletTerms
from levity_trio.billing.months import Month
from levity_trio.billing.statement import Statement
from levity_trio.documents.csv_file import csv_text
from levity_trio.documents.json_file import document_of
from levity_trio.documents.sheet import LabelledValues, Sheet
from levity_trio.documents.statement_sheet import payment_code, statement_sheet, to_pay
from levity_trio.documents.template import of_program
from levity_trio.notify.delivery import mail_reminder
from levity_trio.notify.overdue import NotReminded, ReminderOrder, overdue
from levity_trio.notify.rounds import MAIL, Ways
from levity_trio.store.beside.secret_key import SecretKey
from levity_trio.store.billing.drafting import draft
from levity_trio.store.billing.months import Refused
from levity_trio.store.billing.settling import settlement_of
from levity_trio.store.engine.database import rows_of
from levity_trio.store.reads.money.statements import (
    ClosedStatement,
    StatementFilters,
    closed_statements,
)
from levity_trio.store.reads.money.wallets import owing, wallet
from levity_trio.store.reads.pages import MOST_ROWS, WantedPage
from levity_trio.store.reads.reader import Reader
from levity_trio.store.reads.transactions import costs
from levity_trio.store.reads.transactions.costs import TransactionCharge
from levity_trio.store.writes.money.ledger import (
    LedgerEntry,
    NewTerms,
    enter,
    set_terms,
    settle,
)
from levity_trio.store.writes.people import accounts, messages
from levity_trio.store.writes.people.messages import By, RecipientData
from levity_trio.web.api.engine.endpoints import Role
from levity_trio.web.in_process import Question, Reply, hand_on
from tests.both_stores import both_in_memory
from tests.sizes import size
from tests.store.bills import (
    ANNA,
    BERLIN,
    Biller,
    InlineReader,
    charge,
    correct,
    house_of_two,
    pay,
)
from tests.store.books import Books, Station, in_memory
from tests.store.reading import reading
from tests.web.api.conftest import Site
from tests.web.dashboard.opening import Opening
from tests.web.dashboard.test_settled import DRIVER, endpoint, page

IBAN = "DE89370400440532013000"
STEPS = (
    *("charge", "charge", "charge", "month", "month", "month", "correct", "correct", "correct"),
    *("pay", "pay", "pay", "return", "adjust", "pay out", "days", "terms", "move"),
)
STEPS_OF_ONE = 26
WORSENING = ("correct", "return", "adjust")
"""What may open a statement again; else only its last day does."""
RANKS = ("paid", "nothing to pay", "partly paid", "open", "overdue")


class Place(NamedTuple):
    """Where a sum to pay now stands, and the sum."""

    name: str
    sum: int


class Household:
    """Anna's household, in which anything happens; after each step all places are compared."""

    def __init__(self, connection: Any, seed: int) -> None:
        self.random = Random(seed)
        self.books = Books(connection)
        self.station = Station(self.books)
        self.biller = Biller(house_of_two(self.books))
        self.biller.carry_below = self.random.choice((0, 0, 150))
        connection.execute(
            "INSERT INTO biller (name, bank_account, payment_days, set_at, set_by) "
            "VALUES ('Owner', ?, 14, '', 'cleo')",
            (IBAN,),
        )
        if self.random.random() < 0.5:
            toml = BASE_FEE.replace("2026-10-01", "2026-01-01")
            self.biller.assign(self.biller.add(toml), date(2026, 3, 1), ANNA)
        self.sessions: list[int] = []
        self.has_left = self.is_prepaid = False
        if self.random.random() < 0.3:
            self._change_terms()
            self._enter(LedgerKind.TOP_UP, 3000)
        self.told: list[str] = []
        self.states: dict[int, ClosedStatement] = {}
        self.judged = 0

    # What happens

    def live(self, steps: int) -> None:
        for _ in range(steps):
            step = self.random.choice(STEPS)
            self.told.append(step)
            getattr(self, f"_{step.replace(' ', '_')}")()
            self.books.wait(1)
            self._charge_wallets()
            self.compare(step)

    def _charge(self) -> None:
        if not self.has_left:
            self.sessions.append(charge(self.station, self.random.randint(1, 40) * 500))

    def _charge_wallets(self) -> None:
        """Charge what has changed, as the server does all the time."""
        used: list[TransactionCharge] = []
        with reading(self.books) as db:
            if costs.are_kept(db):
                changed = costs.changed_charges(db, 0, MOST_ROWS).transactions
                used = costs.used_of_wallets(db, changed, self.biller.terms.rule)
        self.books.run(settle, used, self.books.at)

    def _days(self) -> None:
        self.books.wait(self.random.randint(1, 12) * 24 * 60)

    def _month(self) -> None:
        month = self._open_month()
        if month < 11:
            over = datetime(2026, month + 1, 2, 9, tzinfo=UTC)
            self.books.now = max(self.books.now, over)
            self.books.settle()
            self._close(f"2026-{month:02}", None)

    def _close(self, month: str, account: int | None) -> None:
        newest = self.newest()
        self.biller.close(month, account)
        paper = self.newest()
        if paper is not None and paper != newest:
            self._read(newest, paper)

    def _correct(self) -> None:
        if self.sessions:
            wh = self.random.choice((0, self.random.randint(0, 40) * 500))
            correct(self.books, self.random.choice(self.sessions), wh)

    def _pay(self) -> None:
        statements = self.statements()
        sums = [one.open for one in statements if one.open]
        sums += [self.expected(), self.random.randint(1, 2000)]
        amount = self.random.choice([one for one in sums if one])
        named = None
        if statements and self.random.random() < 0.3:
            number = self.random.choice(statements).number
            (named,) = self.books.row(
                "SELECT id FROM statement WHERE number = ? AND is_carried = 0 "
                "UNION ALL SELECT NULL LIMIT 1",
                number,
            )
        pay(self.biller, amount, statement=named)

    def _return(self) -> None:
        paid = self.books.rows(
            "SELECT amount, statement_id FROM ledger WHERE kind = 'payment' AND account_id = ?",
            ANNA,
        )
        if paid:
            amount, statement = self.random.choice(paid)
            self._enter(LedgerKind.CHARGEBACK, -amount, self.random.choice((None, statement)))

    def _adjust(self) -> None:
        self._enter(LedgerKind.CORRECTION, self.random.choice((-300, -50, 50, 300)))

    def _pay_out(self) -> None:
        balance = self.biller.balance(ANNA)
        if balance > 0:
            self._enter(LedgerKind.REFUND, -self.random.randint(1, balance))

    def _enter(self, kind: LedgerKind, amount: int, statement: int | None = None) -> None:
        at, words = self.books.at, "why"
        entry = LedgerEntry(ANNA, kind, amount, "EUR", words, at, "cleo", statement=statement)
        self.books.run(enter, entry)

    def _terms(self) -> None:
        if self.random.random() < 0.3:
            self._change_terms()

    def _change_terms(self) -> None:
        self.is_prepaid = not self.is_prepaid
        terms = WalletTerms.PREPAID if self.is_prepaid else WalletTerms.POSTPAID
        new = NewTerms(terms, 0, "why", self.books.at, "cleo")
        self.books.run(set_terms, ANNA, new)

    def _move(self) -> None:
        """Move out, or, after a correction, make another last bill."""
        if not self.has_left and self.random.random() < 0.2:
            self.has_left = True
            until = self.books.at
            self.books.run(accounts.change, ANNA, {"until": until}, until, "cleo")
            self.books.wait(1)
        month = self._open_month()
        if self.has_left and month < 11:
            since = datetime(2026, month, 1, tzinfo=UTC) + timedelta(1)
            self.books.now = max(self.books.now, since)
            self.books.settle()
            try:
                self._close(f"2026-{month:02}", ANNA)
            except Refused as refused:
                assert "not over" in refused.words or "does not end" in refused.words  # noqa: PT017

    def _open_month(self) -> int:
        newest = self.books.value("SELECT max(month) FROM closing WHERE account_id IS NULL")
        return 3 if newest is None else int(newest[5:]) + 1

    # What is asked for

    def expected(self) -> int:
        """The balance less the corrections that are announced, and less what is too small to be
        asked for, or nothing."""
        too_much = 0
        for amount in self.announced().values():
            too_much += max(0, -amount)
        return max(0, -self.biller.balance(ANNA) - too_much - max(0, self.carried()))

    def carried(self) -> int:
        """What the newest paper leaves to the next one."""
        return int(
            self.books.value(
                "SELECT coalesce(sum(total), 0) FROM statement "
                "WHERE account_id = ? AND is_carried = 1 AND closing_id = (SELECT max(closing_id) "
                "FROM statement WHERE account_id = 1)",
                ANNA,
            )
        )

    def announced(self) -> dict[int, int]:
        """What the next statement will correct, by the numbers of the statements before."""
        month, terms = Month(2026, self._open_month()), self.biller.terms
        with reading(self.books) as db:
            found = draft(rows_of(db), month, None, terms._replace(is_judging=True))
        sums: dict[int, int] = {}
        for one in found.statements:
            for row in one.positions:
                if one.figures.account_id == ANNA and row.kind == "correction":
                    sql = (
                        "SELECT number FROM position JOIN statement "
                        "ON statement.id = statement_id WHERE position.id = ?"
                    )
                    number = self.books.value(sql, row.corrects)
                    sums[number] = sums.get(number, 0) + row.amount
        return sums

    def statements(self) -> list[ClosedStatement]:
        with reading(self.books) as db:
            filters = StatementFilters(today=self.today.isoformat(), account=ANNA)
            return closed_statements(db, filters, WantedPage(limit=MOST_ROWS)).data

    @property
    def today(self) -> date:
        return self.books.now.astimezone(self.biller.zone).date()

    def places(self) -> Iterator[Place]:
        """Yield each place that names a sum to pay now."""
        with reading(self.books) as db:
            page = wallet(db, ANNA)
            neighbours = owing(db, ANNA, self.biller.terms.rule, self.books.now)
        assert page is not None
        assert neighbours is not None
        yield Place("the page of the household", page.owed)
        yield Place("the page of the neighbour", neighbours.wallet.owed)
        beside = self.books.run(lambda db: settlement_of(db.rows, ANNA)).beside
        listed = sum(one.open for one in neighbours.unpaid)
        yield Place("the list of the neighbour", beside + listed)
        listed = sum(one.open for one in self.statements())
        yield Place("the list of bills", beside + listed)

    def compare(self, step: str) -> None:
        expected, told = self.expected(), " → ".join(self.told)
        for place in self.places():
            assert place == Place(place.name, expected), told
        assert sum(self.reminders()) <= expected, told
        self._only_worse_by(step)

    def reminders(self) -> Iterator[int]:
        with reading(self.books) as db:
            for one in self.statements():
                try:
                    order = ReminderOrder(one.number, "cleo", again=True)
                    yield overdue(db, order, self.today).standing.open
                except NotReminded:
                    assert one.state != "overdue"

    def _only_worse_by(self, step: str) -> None:
        # What is judged anew corrects, too: a neighbour was corrected some steps before.
        before_now, self.judged = self.judged, self.books.count("tx_event WHERE kind = 'rejudge'")
        may_worsen = step in WORSENING or self.judged > before_now
        for one in self.statements():
            before = self.states.get(one.number)
            self.states[one.number] = one
            if before is None or before.state not in RANKS or may_worsen:
                continue
            is_past = (one.due_on or "") < self.today.isoformat() and before.open > 0
            is_worse = RANKS.index(one.state) > RANKS.index(before.state) and not is_past
            assert not is_worse, (" → ".join(self.told), before.state, one.state)
            assert one.open <= before.open, " → ".join(self.told)

    # What people open

    def open_all(self) -> None:
        """Open the pages, have the mails made, and ask the API for what is to be paid now."""
        expected, told = self.expected(), " → ".join(self.told)
        site = Site(self.books, Path("none"), Path("none"))
        parts: Any = site.api
        parts.reader = InlineReader(self.books)
        for place in trio.run(self._opened, site):
            assert place == Place(place.name, expected), told
        assert trio.run(self._mailed) == [one.open for one in self._overdue()], told

    async def _opened(self, site: Site) -> list[Place]:
        beside = self.books.run(lambda db: settlement_of(db.rows, ANNA)).beside
        of_owner, of_anna = Opening(site), Opening(site, DRIVER)
        household = (await of_owner.open(page("/accounts/{id}"), id=ANNA)).words
        payments = (await of_owner.open(page("/payments"))).words
        bills = (await of_owner.open(page("/bills"))).words
        months = (await of_anna.open(page("/d/statements"))).words
        overdue = sum(one.open for one in self._overdue())
        not_yet = sum(one.open for one in self.statements()) - overdue

        reply = Reply()
        await hand_on(site.app, DRIVER, Question(method="GET", path="/api/me/money"), reply.take)
        own = reply.content
        of_one = {"query": {"account": ANNA}, "role": Role.OPERATOR}
        (in_list,) = (await site.call(endpoint("GET", "/api/admin/wallets")))["data"][:1]
        listed = (await site.call(endpoint("GET", "/api/admin/statements"), **of_one))["data"]
        return [
            Place("the page of the household", said(r"EUR to pay now", household)),
            Place("the sum that came in full", said(r"EUR from Anna has arrived", payments)),
            Place("the open statements", beside + said_after("Open statements: ", payments)),
            Place("the overdue ones", beside + not_yet + said_after("Overdue: ", bills)),
            Place("the page of the neighbour", said(r"EUR to pay\b(?! now)", months)),
            Place("the answer to the neighbour", own["owed"]),
            Place("his statements", beside + sum(one["open"] for one in own["unpaid"])),
            Place("what his code pays", self._of_payment(own)),
            Place("the answer to the owner", in_list["owed"]),
            Place("the list of statements", beside + sum(one["open"] for one in listed)),
        ]

    def _of_payment(self, own: dict[str, Any]) -> int:
        """Return what the page says to transfer. A wallet is topped up by more than it lacks."""
        return own["owed"] if own["terms"] == "prepaid" else own["payment"]["amount"] or 0

    def _overdue(self) -> list[ClosedStatement]:
        return [one for one in self.statements() if one.state == "overdue"]

    async def _mailed(self) -> list[int]:
        """Return what the reminders ask for, one of each statement that is overdue."""
        books, ways = self.books, Ways(channels=(MAIL,), zone=BERLIN)
        person = RecipientData(who="driver", account=ANNA, mail="anna@example.org")
        key = SecretKey("A" * 43 + "=")
        books.run(messages.add_recipient, person, None, key, By(books.at, "cleo"))
        reader, sums = cast("Reader", InlineReader(books)), list[int]()
        for one in self._overdue():
            order = ReminderOrder(one.number, "cleo", again=True)
            await mail_reminder(reader, self.biller._writer, lambda: books.now, ways, order)
            ((body,),) = books.rows("SELECT body FROM message ORDER BY id DESC LIMIT 1")
            sums.append(said("EUR open; the last day", body))
        return sums

    # Papers

    def newest(self) -> Statement | None:
        numbers = self.books.rows(
            "SELECT max(number) FROM statement WHERE account_id = ? AND number IS NOT NULL", ANNA
        )
        ((number,),) = numbers
        return None if number is None else self.biller.statement(number)

    def _read(self, last: Statement | None, paper: Statement) -> None:
        """Compare what a new paper says in its forms, and what it says of the one before."""
        expected, told = self.expected(), " → ".join(self.told)
        sheet = statement_sheet(paper, of_program("en"))
        rows = [*csv.DictReader(io.StringIO(csv_text(paper, ",", ".")))]
        (in_file,) = [row["open"] for row in rows if row["row"] == "to pay in all"]
        code = payment_code(paper, sheet.reference)
        in_code = code.split("EUR")[1].split("\n")[0] if code else "0"
        assert paper.to_pay_in_all == expected, told
        assert document_of(paper).to_pay_in_all == expected, told
        assert round(float(in_file) * 100) == expected, told
        assert round(float(in_code) * 100) == expected, told
        assert max(0, to_pay(paper)) == expected or not paper.is_asked, told
        # What it says is left in favour of the household is there once it is closed.
        assert paper.standing == -self.biller.balance(ANNA) - self.carried(), told
        self._add_up(sheet, rows)

        before = paper.before
        if last is None or before is None:
            return
        owed_then = sum(one.amount for one in (*before.open, *before.set_off))
        owed_then += sum(one.amount for one in before.moved) - before.credit
        assert owed_then == last.standing, told

    def _add_up(self, sheet: Sheet, rows: list[dict[str, str]]) -> None:
        """Check that the last amount of each table of sums is the sum of the others."""
        told = " → ".join(self.told)
        for block in sheet.blocks:
            if isinstance(block, LabelledValues) and block.is_number:
                *parts, whole = (in_cents(amount) for _, amount in block.pairs)
                assert sum(parts) == whole, (told, block.pairs)
        asked = [row for row in rows if row["row"] in ("open", "credit")]
        asked += [row for row in rows if row["row"] == "total" and row["is_carried"] == "0"]
        owed = sum(in_cents(row["open"] or row["total"]) for row in asked)
        (whole_row,) = [row for row in rows if row["row"] == "to pay in all"]
        assert max(0, owed) == in_cents(whole_row["open"]), told


def in_cents(amount: str) -> int:
    number = amount.removesuffix("\N{NO-BREAK SPACE}EUR").replace(",", "")
    return round(float(number.replace("\N{MINUS SIGN}", "-")) * 100)


def said(words: str, text: str) -> int:
    """Return the sum before some words, in minor units; 0 if they are not there."""
    found = re.search(rf"([\d,]+\.\d\d)\s{words}", text)
    return 0 if found is None else round(float(found[1].replace(",", "")) * 100)


def said_after(words: str, text: str) -> int:
    return said("EUR", text.partition(words)[2][:20])


def live(connection: Any, seed: int) -> None:
    """Live one history. At a moment of some of them, everything is opened."""
    household, before = Household(connection, seed), seed % STEPS_OF_ONE
    household.live(before)
    if seed % size(1, 4) == 0:
        household.open_all()
    household.live(STEPS_OF_ONE - before)


def test_all_places_name_one_sum_whatever_happens() -> None:
    for seed in range(size(2000, 100)):
        with closing(in_memory()) as connection:
            live(connection, seed)


def test_on_both_stores_too() -> None:
    for seed in range(size(2000, 3)):
        with both_in_memory() as connection:
            live(connection, seed)

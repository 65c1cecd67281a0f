"""Prepares the draft of a month in many short reads and writes, with rests between, so that chargers are served.

A draft can be interrupted at any point. It goes on where it was; where something changed since, only the statements
that this concerns are made again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final, NamedTuple

import trio

from levity_trio.billing.months import Month
from levity_trio.clock import Clock
from levity_trio.store.billing.drafting import Drafted, Drafter
from levity_trio.store.billing.due import CHANGED, Plan, Terms, affected, count_accounts, due, newest_revision
from levity_trio.store.billing.months import begun
from levity_trio.store.engine.database import Database
from levity_trio.store.engine.writer import Writer
from levity_trio.store.reads import Reader
from levity_trio.store.reads.shapes import rows_of
from levity_trio.store.writes.billing import drafts
from levity_trio.store.writes.billing.closing import Code, Refused, check_next
from levity_trio.wire.times import stamp

AT_ONCE: Final = 200
"""Transactions, or accounts without any, of one step."""
REST: Final = 0.25
"""After each step the chargers have this share of the time that it took."""
_DRAFT: Final = (
    "SELECT id, terms, revision, computed_until, ready_at FROM draft WHERE month = ? AND account_id IS ?"
    " ORDER BY id DESC"
)
_OTHERS: Final = "SELECT id FROM draft WHERE id <> ?"
_ACCOUNT: Final = "SELECT until FROM account WHERE id = ?"


class Progress(NamedTuple):
    """How far a draft is: accounts of all; `draft` is its number."""

    draft: int
    done: int
    accounts: int

    @property
    def is_ready(self) -> bool:
        return self.done == self.accounts


class _Known(NamedTuple):
    id: int
    terms: str
    revision: int
    computed_until: int
    ready_at: str | None


def plan(db: Database, month: Month, account: int | None, terms: Terms) -> Plan:
    """Return what is to be made of a month. Raises Refused."""
    rows = rows_of(db)
    known = begun(rows)
    if known is None:
        raise Refused(Code.NOT_BEGUN, "say first since when this system bills: levity-trio bill begin DATE")
    check_next(known, month)
    if not rows("SELECT 1 FROM tariff LIMIT 1", ()):
        raise Refused(Code.NO_TARIFF, "there is no tariff; add one with levity-trio tariff add, and assign it")
    until = stamp(month.until(terms.rule.zone))
    if account is not None:
        until = _end(rows(_ACCOUNT, (account,)), month, until, terms, account)
    return Plan(known, month, account, terms, until, newest_revision(rows))


def _end(ends: Sequence[tuple[str | None]], month: Month, until: str, terms: Terms, account: int) -> str:
    """Return the end of an account that moves out in a month. Raises Refused."""
    if not ends:
        raise Refused(Code.CONFLICT, f"there is no account {account}")
    ((end,),) = ends
    if end is None or not stamp(month.since(terms.rule.zone)) < end < until:
        words = f"account {account} does not end within {month}; enter its last day first"
        raise Refused(Code.CONFLICT, words)
    return end


class _Work(NamedTuple):
    """A draft, how many accounts it has, and the transactions of those that are left."""

    draft: int
    accounts: int
    left: dict[int, list[int]]


class Preparing:
    """Prepares drafts, one at a time."""

    def __init__(self, reader: Reader, writer: Writer, clock: Clock) -> None:
        self._reader, self._writer, self._clock = reader, writer, clock
        self._one = trio.Lock()
        self._work: _Work | None = None
        """Of the draft that was worked on last: to find it takes seconds if there is much."""

    async def prepare(self, month: Month, account: int | None, terms: Terms, seconds: float) -> tuple[Plan, Progress]:
        """Work on the draft of a month for so long at most; return how far it is. Raises Refused."""
        async with self._one:
            planned = await self._reader.run(partial(plan, month=month, account=account, terms=terms))
            known = await self._draft(planned)
            until = trio.current_time() + seconds
            if known.ready_at is None:
                return planned, await self._whole(planned, known, until)
            return planned, await self._again(planned, known)

    async def discard(self, draft: int) -> None:
        """Delete a draft, step by step. What it had closed stays."""
        is_left = True
        while is_left:
            is_left = await self._writer.run(drafts.discard, draft)

    async def _draft(self, planned: Plan) -> _Known:
        """Return the draft that is to be worked on: the one of before, if its terms still hold, or a new one."""
        known, terms = await self._reader.run(partial(_known, planned=planned))
        if known is None or known.terms != terms:
            beginning = drafts.Beginning(str(planned.month), planned.account, terms, planned.revision)
            number = await self._writer.run(drafts.begin, beginning, stamp(self._clock()))
            known = _Known(number, terms, planned.revision, 0, None)
        for (other,) in await self._reader.run(lambda db: rows_of(db)(_OTHERS, (known.id,))):
            await self.discard(other)
        return known

    async def _whole(self, planned: Plan, known: _Known, until: float) -> Progress:
        """Make the statements of all accounts that are left, until a time."""
        planned = replace(planned, revision=known.revision)
        if self._work is None or self._work.draft != known.id:
            self._work = await self._reader.run(lambda db: _work(db, planned, known))
        _, accounts, left = self._work
        for part in steps(dict(left)):
            if trio.current_time() > until:
                return Progress(known.id, accounts - len(left), accounts)
            await self._make(planned, known.id, part)
            for account in part:
                del left[account]
        await self._writer.run(drafts.ready, known.id, known.revision, stamp(self._clock()))
        self._work = None
        return await self._complete(planned, known.id)

    async def _again(self, planned: Plan, known: _Known) -> Progress:
        """Make those statements again that changes since concern."""
        every = await self._reader.run(lambda db: _again(db, planned, known))
        for part in steps(every):
            await self._make(planned, known.id, part)
        await self._writer.run(drafts.ready, known.id, planned.revision, stamp(self._clock()))
        return await self._complete(planned, known.id)

    async def _complete(self, planned: Plan, draft: int) -> Progress:
        """Return the progress of a draft that is ready: the same at each server, whichever made it, and when."""
        accounts = await self._reader.run(lambda db: count_accounts(rows_of(db), planned, draft))
        return Progress(draft, accounts, accounts)

    async def _make(self, planned: Plan, draft: int, part: Mapping[int, list[int]]) -> None:
        began = trio.current_time()
        drafted = await self._reader.run(lambda db: _drafted(db, planned, part))
        await self._writer.run(drafts.store, draft, [*part], drafted)
        await trio.sleep(REST * (trio.current_time() - began))


def _known(db: Database, planned: Plan) -> tuple[_Known | None, str]:
    rows = rows_of(db)
    found = [_Known(*row) for row in rows(_DRAFT, (str(planned.month), planned.account))]
    return found[0] if found else None, planned.terms.text(rows)


def _work(db: Database, planned: Plan, known: _Known) -> _Work:
    every = due(rows_of(db), planned)
    left = {account: found for account, found in every.items() if account > known.computed_until}
    return _Work(known.id, len(every), left)


def _again(db: Database, planned: Plan, known: _Known) -> dict[int, list[int]]:
    db.execute("BEGIN")
    rows = rows_of(db)
    changed = [(tx, account) for tx, account in rows(CHANGED, (known.revision, planned.until))]
    if not changed:
        return {}
    accounts = affected(rows, planned, changed, known.id)
    return {account: found for account, found in due(rows, planned).items() if account in accounts}


def _drafted(db: Database, planned: Plan, part: Mapping[int, list[int]]) -> list[Drafted]:
    db.execute("BEGIN")
    drafter = Drafter(rows_of(db), planned)
    return [one for account, transactions in part.items() for one in drafter.draft(account, transactions)]


def steps(every: Mapping[int, list[int]]) -> Iterator[dict[int, list[int]]]:
    """Divide the work, so that a step has few transactions; an account with many is a step of its own."""
    step: dict[int, list[int]] = {}
    size = 0
    for account, transactions in every.items():
        if (step and size + len(transactions) > AT_ONCE) or len(step) >= AT_ONCE:
            yield step
            step, size = {}, 0
        step[account] = transactions
        size += len(transactions)
    if step:
        yield step

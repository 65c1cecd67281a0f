"""Tries a tariff on the charging sessions of a month, in many short reads, with rests between; nothing is stored."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final, NamedTuple

import trio

from levity_trio.billing.months import Month, beginning
from levity_trio.records import in_order, record
from levity_trio.store.billing.drafting import Cost, Drafter
from levity_trio.store.billing.due import Plan, Terms, newest_revision
from levity_trio.store.billing.months import Begun, begun
from levity_trio.store.billing.pricing import Pricer, Rule
from levity_trio.store.billing.tariffs import Trial
from levity_trio.store.engine.database import Database, parts
from levity_trio.store.reads import Reader
from levity_trio.store.reads.shapes import rows_of
from levity_trio.store.upkeep.preparing import REST, steps
from levity_trio.wire.times import stamp

KEPT: Final = 4
"""Trials whose results are kept, for those who look again."""
_ENDED: Final = (
    "SELECT tx.id FROM cp CROSS JOIN tx INDEXED BY tx_by_end ON cp_id = cp.id"
    " WHERE stop_time >= ? AND stop_time < ? AND tx.status = 'Completed' AND imported_id IS NULL"
)
_OPEN: Final = "SELECT id, name FROM account WHERE since < ? AND coalesce(until, '9999') > ?"
_NAME: Final = "SELECT name FROM account WHERE id = ?"


@record
class TriedHousehold:
    """What a month cost a household, and what it would have cost, in minor units with tax.

    `unpriced` are its sessions for which there would be no tariff.
    """

    account: int
    name: str
    sessions: int
    energy_wh: int
    old: int
    new: int
    unpriced: int


class Tried(NamedTuple):
    """How far a trial is: households that are done, and how many there are."""

    households: list[TriedHousehold]
    accounts: int

    @property
    def is_ready(self) -> bool:
        return len(self.households) == self.accounts


class _Key(NamedTuple):
    """Of what a result is: it is made anew when something changed."""

    trial: Trial
    month: Month
    terms: str
    revision: int


@dataclass
class _Work:
    plan: Plan
    names: Mapping[int, str]
    left: dict[int, list[int]]
    done: list[TriedHousehold] = field(default_factory=list)


class Trying:
    """Tries tariffs, one at a time."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._one = trio.Lock()
        self._works: dict[_Key, _Work] = {}

    async def compare(self, trial: Trial, month: Month, rule: Rule, seconds: float) -> Tried:
        """Work on a comparison for so long at most; return how far it is, by the households' names."""
        async with self._one:
            key, plan = await self._reader.run(partial(_planned, trial=trial, month=month, rule=rule))
            if key not in self._works:
                self._works[key] = await self._reader.run(partial(_work, plan=plan))
            work = self._works[key] = self._works.pop(key)
            while len(self._works) > KEPT:
                del self._works[next(iter(self._works))]
            await self._go_on(work, trial, trio.current_time() + seconds)
            by_name = sorted(work.done, key=lambda one: (in_order(one.name), one.account))
            return Tried(by_name, len(work.names))

    async def _go_on(self, work: _Work, trial: Trial, until: float) -> None:
        for part in steps(dict(work.left)):
            began = trio.current_time()
            if began > until:
                return
            work.done += await self._reader.run(partial(_compared, work=work, part=part, trial=trial))
            for account in part:
                del work.left[account]
            await trio.sleep(REST * (trio.current_time() - began))


def _planned(db: Database, trial: Trial, month: Month, rule: Rule) -> tuple[_Key, Plan]:
    db.execute("BEGIN")
    rows = rows_of(db)
    known = begun(rows)
    on = month.first_day if known is None else min(known.on, month.first_day)
    terms, revision = Terms(rule, 0), newest_revision(rows)
    plan = Plan(Begun(on, month, False), month, None, terms, stamp(month.until(rule.zone)), revision)
    return _Key(trial, month, terms.text(rows), revision), plan


def _work(db: Database, plan: Plan) -> _Work:
    db.execute("BEGIN")
    rows = rows_of(db)
    since = stamp(beginning(plan.month.first_day, plan.rule.zone))
    names: dict[int, str] = dict(rows(_OPEN, (plan.until, since)))
    left: dict[int, list[int]] = defaultdict(list, {account: [] for account in names})
    for part in parts([number for (number,) in rows(_ENDED, (since, plan.until))]):
        for number, owner in Pricer(rows, plan.rule).owners(part).items():
            if owner.account is not None:
                left[owner.account].append(number)
    names |= {account: rows(_NAME, (account,))[0][0] for account in left if account not in names}
    return _Work(plan, names, dict(left))


def _compared(db: Database, work: _Work, part: Mapping[int, list[int]], trial: Trial) -> list[TriedHousehold]:
    db.execute("BEGIN")
    rows = rows_of(db)
    before, after = Drafter(rows, work.plan), Drafter(rows, work.plan, trial)
    return [
        _household(account, work.names[account], before.cost(account, found), after.cost(account, found))
        for account, found in part.items()
    ]


def _household(account: int, name: str, old: Cost, new: Cost) -> TriedHousehold:
    return TriedHousehold(
        account=account,
        name=name,
        sessions=new.sessions,
        energy_wh=new.energy_wh,
        old=old.amount,
        new=new.amount,
        unpriced=new.unpriced,
    )

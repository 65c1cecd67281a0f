"""The sessions of simulated months and weeks, with what their ledger says of each."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from levity_trio.charging.energy import judge
from levity_trio.charging.sent.evidence import Case
from levity_trio.simulator.ledger import KEPT_BACK, read_ledger
from levity_trio.simulator.quirks import QUIRKS
from levity_trio.simulator.verification import Case as Account
from levity_trio.simulator.verification import _cases, _matched
from levity_trio.store.cases.case import case_of
from levity_trio.store.cases.neighbours import ChargerHistory
from levity_trio.store.cases.transaction import COLUMNS, StoredTransaction
from levity_trio.store.engine.database import Database, rows_of
from levity_trio.store.reads.reader import look
from levity_trio.store.reads.transactions.books import Mark, booked_since
from levity_trio.store.reads.transactions.recheck import COMPLETED
from tests.tools.benchmarks.months.month import Order, Outcome
from tests.tools.benchmarks.months.processes import outcomes, simulated
from tests.tools.corpus.capture import Found
from tests.tools.corpus.kept import Truth

WEEK_HOURS: Final = 168.0
MONTH_HOURS: Final = 720.0
CHARGERS_OF_A_WEEK: Final = 4
HEARTBEAT_SECONDS: Final = 900
DELAY_SECONDS: Final = 3.0
DONE: Final = f"SELECT {COLUMNS} FROM tx WHERE {COMPLETED} ORDER BY id"


def months(seeds: Sequence[int]) -> Iterator[Found]:
    """Yield the sessions of `just months --seeds …`."""
    with tempfile.TemporaryDirectory() as folder:
        orders = [_order(Path(folder), seed, MONTH_HOURS) for seed in seeds]
        for outcome in outcomes(orders, jobs=1):
            yield from _of(outcome, f"month {outcome.order.seed}")


def quirks() -> Iterator[Found]:
    """Yield the sessions of a week for each quirk alone, and of one without any."""
    for number, quirk in enumerate(["", *QUIRKS], 1):
        with tempfile.TemporaryDirectory() as folder:
            order = _order(Path(folder), number, WEEK_HOURS, quirk, CHARGERS_OF_A_WEEK)
            yield from _of(simulated(order), f"week of {quirk or 'no quirk'}")


def _order(
    folder: Path, seed: int, hours: float, quirk: str | None = None, chargers: int | None = None
) -> Order:
    return Order(
        seed=seed,
        folder=folder,
        hours=hours,
        heartbeat_seconds=HEARTBEAT_SECONDS,
        delay_seconds=DELAY_SECONDS,
        quirk=quirk,
        chargers=chargers,
    )


def _of(outcome: Outcome, source: str) -> Iterator[Found]:
    found = list(_sessions(outcome.order, source))
    print(f"  {source}: {len(found)} sessions, {outcome.cpu_seconds:.0f} s", flush=True)
    yield from found


def _sessions(order: Order, source: str) -> Iterator[Found]:
    ledger = read_ledger(order.ledger)
    booked = look(order.database, partial(booked_since, since=Mark()))
    matched, _ = _matched(_cases(ledger), booked.transactions)
    accounts = {booking.id: account for account, booking in matched if booking is not None}
    for transaction, charger, case in look(order.database, _judged):
        yield (
            f"{source}: {charger}, transaction {transaction}",
            _truth(accounts.get(transaction), case),
            case,
        )


def _judged(db: Database) -> list[tuple[int, str, Case]]:
    """Return each session as it would be judged now. When all is quiet, it was judged so before."""
    rows = rows_of(db)
    return [
        (tx.id, tx.charger, case_of(ChargerHistory(rows, tx.charger), tx))
        for tx in map(StoredTransaction._make, rows(DONE, (None,)))
    ]


def _truth(account: Account | None, case: Case) -> Truth:
    """Return what the jury accepts; nothing about what no charger began, or about readings that
    will still be sent."""
    is_certain = not judge(case).doubts
    if account is None or not account.entry.is_ended or KEPT_BACK in account.entry.lies:
        return Truth(is_lie=not is_certain)
    entry, proof = account.entry, account.proof
    is_alone = proof.is_honest and not entry.lies
    most = proof.most_wh or entry.energy_wh
    tolerance = most - entry.energy_wh if proof.is_hidden else 0
    # one next to a lie may be in doubt, too
    is_lie = not is_alone or not (account.is_honest or is_certain)
    return Truth(is_lie, entry.energy_wh, tolerance, min(proof.least_wh, entry.energy_wh), most)

"""The summary of a simulation, by charger and in total: a table for people, plain data for
programs."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from levity_trio.records import record
from levity_trio.simulator.charger.charger import Charger
from levity_trio.simulator.charger.state import Tally
from levity_trio.simulator.feeder import FeederReport
from levity_trio.simulator.screen import delivered_wh, plain_table
from levity_trio.simulator.verification import Verdict

MOST_LINES: Final = 50
"""Maximum number of chargers and of faults shown to people; programs get all."""
_HEADS: Final = ("sent", "answered", "refused", "no reply", "invalid", "dropped", "sessions", "kWh")


@dataclass(slots=True, kw_only=True)
class Account(Tally):
    """One charger's calls, the responses to them, its transactions, and the energy delivered, in
    Wh."""

    sessions: int = 0
    energy_wh: int = 0

    @property
    def troubles(self) -> tuple[int, ...]:
        return self.refused, self.unanswered, self.unreadable, self.discarded


@record(kw_only=False)
class Report:
    """All accounts by charger, and the verdict on the central system's database if it was
    verified."""

    accounts: dict[str, Account]
    verdict: Verdict | None = None
    feeder: FeederReport | None = None

    @property
    def total(self) -> Account:
        names = [field.name for field in fields(Account)]
        sums = {name: sum(getattr(one, name) for one in self.accounts.values()) for name in names}
        return Account(**sums)

    def as_dict(self) -> dict[str, Any]:
        document: dict[str, Any] = {
            "chargers": {identity: asdict(account) for identity, account in self.accounts.items()},
            "total": asdict(self.total),
        }
        if self.verdict is not None:
            document["verification"] = self.verdict.as_dict()
        if self.feeder is not None:
            document["feeder"] = asdict(self.feeder)
        return document


def report(
    chargers: Iterable[Charger], verdict: Verdict | None = None, feeder: FeederReport | None = None
) -> Report:
    accounts = {
        charger.spec.id: Account(
            **asdict(charger.tally), sessions=len(charger.ledger), energy_wh=delivered_wh(charger)
        )
        for charger in chargers
    }
    return Report(accounts, verdict, feeder)


def show(console: Console, summary: Report, *, is_verbose: bool = False) -> None:
    console.print(_table(summary))
    hidden = len(summary.accounts) - MOST_LINES
    if hidden > 0:
        console.print(
            f"… and {hidden} more chargers with fewer problems; --json lists all", highlight=False
        )
    if (feeder := summary.feeder) is not None:
        over = f"{feeder.over_seconds} s over it, {feeder.far_over_seconds} s over 1.13 times that"
        trips = f"its breaker tripped {feeder.trips} times" if feeder.trips else "its breaker held"
        console.print(
            f"feeder of {feeder.amperes:g} A: at most {feeder.highest_a:g} A, {over}; {trips}",
            highlight=False,
        )
    if summary.verdict is not None:
        show_verdict(console, summary.verdict, is_verbose=is_verbose)


def show_verdict(console: Console, verdict: Verdict, *, is_verbose: bool = False) -> None:
    """Print a verdict for people. What counts most stands last, where a terminal shows it."""
    _print(console, _life(verdict, is_verbose=is_verbose))
    if verdict.unprovable:
        rows = [(one.why, str(one.transactions), kwh(one.wh)) for one in verdict.unprovable]
        console.print(_counts("energy that cannot be proved", ("transactions", "kWh"), rows))
    if verdict.faults:
        found = [(kind, str(count)) for kind, count in verdict.kinds.items()]
        console.print(_counts("faults in the database", ("count",), found))
    _print(console, _judgement(verdict))


def _print(console: Console, lines: Iterable[Text]) -> None:
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False)


def _counts(head: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    table = plain_table()
    table.add_column(head, no_wrap=True)
    for other in heads:
        table.add_column(other, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table


def _life(verdict: Verdict, *, is_verbose: bool) -> Iterator[Text]:
    """How many steps of the life cycle occurred and, if that is wanted, which. A row without a
    state is no step."""
    table = [row for row in verdict.life if row.state]
    if not table:
        return
    taken, missed = [row for row in table if row.times], [row for row in table if not row.times]
    hint = "" if is_verbose else " (--verbose lists them)"
    yield Text(
        f"{len(taken)} of {len(table)} steps of the life cycle of a transaction occurred{hint}",
        style="bold",
    )
    if not is_verbose:
        return
    for row in [*sorted(taken, key=lambda row: -row.times), *missed]:
        step = f"{row.state} + {row.cause} -> {row.kind}"
        if row.times:
            yield Text(f"  {row.times:6}  {step}")
        elif row.is_in_reach:
            yield Text(f"  did not occur: {step}", style="yellow")
        else:
            yield Text(f"  nothing simulated causes it: {step}", style="dim")


def _table(summary: Report) -> Table:
    table = plain_table(show_footer=True)
    total = summary.total
    table.add_column("charger", f"{len(summary.accounts)} in all", no_wrap=True)
    for head, cell in zip(_HEADS, _cells(total), strict=True):
        table.add_column(head, cell, justify="right", no_wrap=True)
    # those with the most problems are shown, in their original order
    identities = list(summary.accounts)
    key = [
        (sum(account.troubles), account.sent) for account in summary.accounts.values()
    ].__getitem__
    for place in sorted(heapq.nlargest(MOST_LINES, range(len(identities)), key=key)):
        identity = identities[place]
        table.add_row(identity, *_cells(summary.accounts[identity]))
    return table


def _cells(account: Account) -> list[Text]:
    return [
        Text(str(account.sent)),
        Text(str(account.answered)),
        *(Text(str(trouble), style="red" if trouble else "dim") for trouble in account.troubles),
        Text(str(account.sessions)),
        Text(kwh(account.energy_wh)),
    ]


def _judgement(verdict: Verdict) -> Sequence[Text]:
    booked = f"{verdict.transactions} transactions, {kwh(verdict.energy_wh)} kWh"
    two_cars = f", {kwh(verdict.beyond_wh)} kWh more than flowed, where two cars share a meter"
    details = (
        f"{verdict.reviews} for review, {verdict.set_aside} messages set aside, "
        f"{verdict.unprovable_wh} Wh that cannot be proved{two_cars if verdict.beyond_wh else ''}"
    )
    if verdict.is_clean:
        return [Text(f"The database agrees: {booked} ({details})", style="green")]
    hidden = len(verdict.faults) - MOST_LINES
    is_strange = verdict.transactions == verdict.set_aside == 0
    return [
        *(Text(f"  [{fault.kind}] {fault.line}") for fault in verdict.faults[:MOST_LINES]),
        *([Text(f"  … and {hidden} more; --json lists all")] if hidden > 0 else []),
        *(
            [Text("  it has none of the transactions: is it the database of that server?")]
            if is_strange
            else []
        ),
        Text(
            f"The database does not agree. It has {booked} ({details}) and the faults above.",
            style="bold red",
        ),
    ]


def kwh(wh: int) -> str:
    """Format Wh as kWh with three decimals."""
    return f"{wh / 1000:.3f}"

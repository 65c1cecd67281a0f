"""The long version of the integration tests: power cuts, a disk that refuses, floods; one database
from begin to end. And, each on a database of its own, a frame log of millions of rows that is
pruned, an audit that nobody takes, a year of chargers, and readings on PostgreSQL.

python -m tests.tools.benchmarks.soak (or `just soak`). Chargers that keep account talk without a
pause; in the end everything that they were ever answered must be in the database. The exit status
is 1 if anything is missing.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from levity_trio.store.upkeep.pruning import DEFAULT_LIMITS
from tests.integration.crowd import CROWDS, boot_seconds, crowding, let_charge
from tests.integration.fleet import Account, Fleet, Waits, accounts, answered, missing
from tests.integration.flood import FLOODS, flooding
from tests.integration.growing import MEGABYTE, flood_all
from tests.integration.npm import install
from tests.integration.old_frames import fill_log, frames_left, free_bytes
from tests.integration.outages import locked
from tests.integration.receiver import PACKAGE, Receiver
from tests.integration.serving import PROGRAM, Serving, serving
from tests.integration.stall import stall
from tests.postgresql import running

from .growth import ROUNDS as ROUNDS_GROWN
from .growth import SETTINGS, grown
from .process import Server
from .report import table
from .year import DAY_MESSAGES, LOG_DAYS, sizes, write_year

ROUNDS, CHARGERS, STALL_SECONDS, FLOOD_SECONDS = 50, 20, 20.0, 60.0
PRUNE_ROWS, PRUNING_P99_MS, PART_SECONDS, LONGEST_PRUNING_SECONDS = 5_000_000, 50, 3.0, 3600.0
AUDIT_SECONDS = 600.0
ALL_FLOODS_SECONDS, ALL_FLOODS_STARTS, ALL_FLOODS_LOG_MB, ALL_FLOODS_P99_MS, ALL_FLOODS_MB = (
    3600.0,
    1000,
    64,
    200,
    250,
)
STRANGERS, STRANGERS_SECONDS, STRANGERS_MIB, BOOT_SECONDS = 1000, 15.0, 250, 1.0
YEAR_DAYS = 364
READINGS = 100_000_000
EARLIEST_SECONDS, LATEST_SECONDS = 0.02, 2.0
RECOVERED = "writes to the database succeed again"
RECOVERY_SECONDS = 30.0


class Figure(NamedTuple):
    """One line of the table."""

    what: str
    value: str
    wrong: bool = False


class Soak:
    """One run on one database; each part gives its figures."""

    def __init__(self, folder: Path, chargers: int) -> None:
        self.database = folder / "levity.db"
        self.fleet = accounts(chargers, "SOAK")

    def kill_rounds(self, rounds: int) -> Iterator[Figure]:
        """kill -9 at a random moment, again and again."""
        lost: set[str] = set()
        starts = []
        for number in range(1, rounds + 1):
            with serving(self.database) as server, Fleet(server.port) as load:
                load.join(self.fleet)
                load.run(random.uniform(EARLIEST_SECONDS, LATEST_SECONDS))
                server.kill()
                load.run_out()
            began = time.perf_counter()
            with serving(self.database):
                starts.append(time.perf_counter() - began)
            lost |= set(missing(self.fleet, self.database))
            say(
                f"kill -9 {number} of {rounds}: {answered(self.fleet)} answers, {len(lost)} missing"
            )
        yield Figure("kill -9: rounds", str(rounds))
        yield Figure("kill -9: answers to messages of transactions", str(answered(self.fleet)))
        yield Figure(
            "kill -9: answered and missing", "; ".join(sorted(lost)[:5]) or "0", bool(lost)
        )
        if starts:
            yield Figure("start after kill -9, longest", f"{max(starts):.2f} s")

    def stall(self, seconds: float) -> Iterator[Figure]:
        """The database is locked for so long, in the middle of everything."""
        with serving(self.database, may_log_errors=True) as server:
            with Fleet(server.port) as load:
                load.join(self.fleet)
                load.run(1)
                with locked(self.database):
                    load.run(0.2)  # what was committed before the lock is still being answered
                    before = answered(self.fleet)
                    load.run(seconds)
                    meanwhile = answered(self.fleet) - before
                released = time.perf_counter()
                codes = sorted(set(load.endings.values()))
            server.wait_line(RECOVERED, RECOVERY_SECONDS)
            recovered = time.perf_counter() - released
            yield from self._talk_again(server)
        yield Figure(f"locked for {seconds:g} s: answers meanwhile", str(meanwhile), meanwhile > 0)
        yield Figure("locked: connections ended by", ", ".join(codes) or "nothing")
        yield Figure("locked: recovered after", f"{recovered:.2f} s")

    def _talk_again(self, server: Serving) -> Iterator[Figure]:
        with Fleet(server.port) as load:
            load.join(self.fleet)
            before = [account.answered for account in self.fleet]
            assert load.run(RECOVERY_SECONDS, lambda: _all_went_on(self.fleet, before)), (
                load.samples
            )
            faults = dict(load.faults)
        yield Figure("locked: faults after it", str(faults or 0), bool(faults))

    def floods(self, seconds: float) -> Iterator[Figure]:
        """Each kind of flood for so long, and what the others had to wait."""
        with serving(self.database, program=PROGRAM) as server, Fleet(server.port) as load:
            load.join(self.fleet)
            looked_at = Server(server.process.pid, server.port)
            before_mib = looked_at.resident_mib()
            yield Figure("nobody rude", f"{load.measure(min(seconds, 10))}")
            for kind in FLOODS:
                with flooding(server.port, kind, seconds + 1) as flood:
                    waits = load.measure(seconds)
                say(f"flood of {kind}: {waits}")
                sent = (
                    f"{flood.sent_bytes / 1e6 / seconds:.1f} MB/s, {flood.connections} connections"
                )
                yield Figure(f"flood of {kind}", f"{waits}; it sent {sent}")
            yield Figure(
                "memory before and after the floods",
                f"{before_mib:.0f}, {looked_at.resident_mib():.0f} MiB",
            )
            faults = dict(load.faults)
            yield Figure("floods: faults of the others", str(faults or 0), bool(faults))

    def all_floods(self, seconds: float) -> Iterator[Figure]:
        """Everything at once, to all ports, on a new database: what its folder takes, how long
        others wait."""
        (folder := self.database.with_name("flooded")).mkdir()
        grown = flood_all(folder, seconds, ALL_FLOODS_STARTS, ALL_FLOODS_LOG_MB)
        largest = sorted(grown.grown.items(), key=lambda one: -one[1])[:8]
        sizes = ", ".join(f"{name} {size / MEGABYTE:.1f}" for name, size in largest)
        most = f"{grown.peak_bytes / MEGABYTE:.0f} of {grown.bound_megabytes:.0f} MB"
        sent = f"{grown.sent_bytes / MEGABYTE:.0f} MB in {sum(grown.messages.values())} messages"
        p99, memory, beyond = grown.p99_milliseconds, grown.memory_megabytes, grown.beyond()
        yield Figure(
            f"all floods at once for {seconds:g} s: they sent",
            f"{sent}, as {grown.identities} chargers",
        )
        yield Figure("all floods: the folder", f"{most} ({sizes})", bool(beyond))
        yield Figure(
            "all floods: beyond what the manual says", "; ".join(beyond) or "0", bool(beyond)
        )
        yield Figure(
            "all floods: p99 of another charger's heartbeat",
            f"{p99:.0f} ms",
            p99 > ALL_FLOODS_P99_MS,
        )
        yield Figure("all floods: memory", f"{memory:.0f} MB", memory > ALL_FLOODS_MB)

    def strangers(self, count: int) -> Iterator[Figure]:
        """So many with the largest messages, of each kind on a database of its own; a known charger
        boots meanwhile."""
        for number, kind in enumerate(CROWDS):
            with serving(
                self.database.with_name(f"strangers-{number}.db"), program=PROGRAM
            ) as server:
                let_charge(server.port, "KNOWN")
                with crowding(server.port, count, kind, STRANGERS_SECONDS) as crowd:
                    longest = max(boot_seconds(server.port, "KNOWN", STRANGERS_SECONDS))
                peak_mib = Server(server.process.pid, server.port).peak_mib()
            told = (
                f"{peak_mib:.0f} MiB at most; a known charger's boot took {1000 * longest:.0f} ms "
                "at most"
            )
            say(f"{count} strangers, {kind}: {told}")
            value = (
                f"{told}; they sent {crowd.sent_bytes / 1e6:.0f} MB in {crowd.connections} "
                "connections"
            )
            yield Figure(
                f"strangers: {kind}", value, peak_mib > STRANGERS_MIB or longest >= BOOT_SECONDS
            )

    def prune(self, rows: int) -> Iterator[Figure]:
        """A frame log of so many rows, nine of ten too old, is pruned while chargers talk."""
        database = self.database.with_name("pruned.db")
        young = rows // 10
        fill_log(database, rows, young)
        before_mib = database.stat().st_size / 2**20
        say(f"prune: {rows} rows, {before_mib:.0f} MiB")
        with serving(database) as server, Fleet(server.port) as load:
            load.join(accounts(len(self.fleet), "PRUNE"))
            began = time.perf_counter()
            deleting = _measure(
                load, "prune, rows too old", lambda: frames_left(database, rows) <= young
            )
            shrinking = _measure(
                load,
                "prune, free pages",
                lambda: free_bytes(database) <= DEFAULT_LIMITS.spare_bytes,
            )
            seconds = time.perf_counter() - began
            quiet = load.measure(PART_SECONDS)
            faults = dict(load.faults)
        after_mib = database.stat().st_size / 2**20
        yield Figure(
            f"prune {rows} rows: while they go",
            str(deleting),
            deleting.p99_milliseconds >= PRUNING_P99_MS,
        )
        yield Figure(
            "prune: while the file shrinks",
            str(shrinking),
            shrinking.p99_milliseconds >= PRUNING_P99_MS,
        )
        yield Figure("prune: afterwards", str(quiet))
        yield Figure(
            "prune: MiB before and after",
            f"{before_mib:.0f}, {after_mib:.0f}; it took {seconds:.0f} s",
        )
        yield Figure("prune: faults", str(faults or 0), bool(faults))

    def audit(self, seconds: float) -> Iterator[Figure]:
        """Fluentd stands still for so long; nothing may be lost, and no charger may notice."""
        folder = self.database.parent
        receiver = Receiver(folder, install(PACKAGE, folder))
        try:
            told = stall(
                folder / "audited.db", receiver, accounts(len(self.fleet), "AUDIT"), seconds
            )
        finally:
            receiver.kill()
        yield Figure("audit: before", str(told.before))
        yield Figure(
            f"audit: Fluentd stalled for {seconds:g} s",
            f"{told.stalled}; {told.grown_mib:+.1f} MiB",
        )
        yield Figure(
            "audit: afterwards", f"{told.after}; caught up in {told.caught_up_seconds:.0f} s"
        )
        rows = f"{told.missing} of {told.rows}; {told.repeated} came twice"
        yield Figure("audit: frames missing", rows, bool(told.missing))
        yield Figure("audit: faults", str(told.faults or 0), bool(told.faults))

    def year(self, days: int) -> Iterator[Figure]:
        """So many days of history and one more over WebSocket: what it takes on the disk, and how
        long answers take."""
        database, fleet = self.database.with_name("year.db"), accounts(len(self.fleet), "YEAR")
        began = time.perf_counter()
        write_year(database, [account.identity for account in fleet], days)
        history = sizes(database)
        say(f"year: {days} days written in {time.perf_counter() - began:.0f} s")
        with serving(database) as server, Fleet(server.port) as load:
            load.join(fleet)
            last = _measure(
                load, "the last day", lambda: answered(fleet) >= DAY_MESSAGES * len(fleet)
            )
            faults = dict(load.faults)
        for size in history:
            grown = (
                f"of {LOG_DAYS} days"
                if size.table == "log"
                else f"{size.mebibytes / days * 365:.0f} MiB a year"
            )
            yield Figure(
                f"year: {size.table}", f"{size.mebibytes:.1f} MiB, {size.rows} rows; {grown}"
            )
        yield Figure(
            f"year: all of {days} days", f"{sum(size.mebibytes for size in history):.0f} MiB"
        )
        yield Figure("year: its last day", str(last))
        yield Figure("year: faults", str(faults or 0), bool(faults))

    def growth(self, readings: int) -> Iterator[Figure]:
        """So many readings on a PostgreSQL of its own, and a tenth of them: what it takes to
        answer."""
        with running(self.database.parent, **SETTINGS) as server:
            for line in grown(server, readings, ROUNDS_GROWN, say):
                value = " -> ".join(f"{milliseconds:.2f}" for milliseconds in line.milliseconds)
                yield Figure(f"{readings} readings: {line.what}", f"{value} ms", not line.is_flat)

    def end(self) -> Iterator[Figure]:
        """A last stop, and the account."""
        with serving(self.database) as server:
            seconds = server.stop()
        lost = missing(self.fleet, self.database)
        size = self.database.stat().st_size / 2**20
        yield Figure("clean stop", f"{seconds:.2f} s")
        yield Figure("database", f"{size:.0f} MiB")
        yield Figure("answers in all", str(answered(self.fleet)))
        yield Figure("missing in the end", "; ".join(lost[:5]) or "0", bool(lost))


def _measure(load: Fleet, what: str, is_done: Callable[[], bool]) -> Waits:
    """How long they had to wait until something was done."""
    seconds, began = [0.0], time.perf_counter()
    while not is_done():
        assert time.perf_counter() - began < LONGEST_PRUNING_SECONDS, what
        part = load.measure(PART_SECONDS)
        seconds += part.seconds
        say(f"{what}: {part}")
    return Waits(sorted(seconds), len(seconds) / (time.perf_counter() - began))


def _all_went_on(fleet: list[Account], before: list[int]) -> bool:
    return all(account.answered > count for account, count in zip(fleet, before, strict=True))


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    """Run what the command line says."""
    arguments = _parser().parse_args()
    seed = arguments.seed if arguments.seed is not None else random.randrange(10**6)
    random.seed(seed)
    with tempfile.TemporaryDirectory(prefix="levity-soak-", dir=arguments.directory) as directory:
        soak = Soak(Path(directory), arguments.chargers)
        figures = [Figure("chargers", str(arguments.chargers)), Figure("seed", str(seed))]
        figures += soak.kill_rounds(arguments.rounds)
        figures += soak.stall(arguments.stall_seconds) if arguments.stall_seconds else ()
        figures += soak.floods(arguments.flood_seconds) if arguments.flood_seconds else ()
        figures += (
            soak.all_floods(arguments.all_floods_seconds) if arguments.all_floods_seconds else ()
        )
        figures += soak.strangers(arguments.strangers) if arguments.strangers else ()
        figures += soak.prune(arguments.prune_rows) if arguments.prune_rows else ()
        figures += soak.audit(arguments.audit_seconds) if arguments.audit_seconds else ()
        figures += soak.year(arguments.year_days) if arguments.year_days else ()
        figures += soak.growth(arguments.readings) if arguments.readings else ()
        figures += soak.end()
    rows = [[figure.what, figure.value, "WRONG" if figure.wrong else ""] for figure in figures]
    print(table(("soak", "", ""), rows, left=3))
    return int(any(figure.wrong for figure in figures))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.tools.benchmarks.soak", description=__doc__
    )
    add = parser.add_argument
    add("--rounds", type=int, default=ROUNDS, help=f"kill -9 so often; {ROUNDS} unless told")
    add("--chargers", type=int, default=CHARGERS, help=f"so many talk; {CHARGERS} unless told")
    add(
        "--stall-seconds",
        type=float,
        default=STALL_SECONDS,
        help="the database is locked so long; 0: not at all",
    )
    add("--flood-seconds", type=float, default=FLOOD_SECONDS, help="each kind of flood; 0: none")
    add(
        "--all-floods-seconds",
        type=float,
        default=ALL_FLOODS_SECONDS,
        help="everything at once; 0: not at all",
    )
    add(
        "--strangers",
        type=int,
        default=STRANGERS,
        help=f"with the largest messages; {STRANGERS} unless told, 0: none",
    )
    add(
        "--prune-rows",
        type=int,
        default=PRUNE_ROWS,
        help=f"of the frame log; {PRUNE_ROWS} unless told, 0: none",
    )
    add(
        "--audit-seconds",
        type=float,
        default=AUDIT_SECONDS,
        help="Fluentd stands still so long; 0: not at all",
    )
    add("--year-days", type=int, default=YEAR_DAYS, help="of history before the last day; 0: none")
    add(
        "--readings",
        type=int,
        default=READINGS,
        help=f"on PostgreSQL; {READINGS} unless told (40 GB), 0: none",
    )
    add("--seed", type=int, help="for the moments of kill -9")
    add(
        "--directory",
        help="where the database goes; its disk counts (default: the system's temporary one)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())

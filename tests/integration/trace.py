"""Reading what `strace -f` wrote: did each answer leave after the fdatasync of its commit?

strace notes calls in the order in which they happen, whatever the thread; one that another thread's
call cuts in two is noted twice, `<unfinished ...>` and `resumed`. The line numbers are the clock.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

CALLS = "pwrite64,fdatasync,fsync,write,writev,sendto,sendmsg"
COMMAND = (
    *("strace", "-D", "-f", "-qq", "-ttt", "-yy", "-s", "9000", "--seccomp-bpf"),
    *("-e", "signal=none", "-e", f"trace={CALLS}"),
)
"""Strings whole (a page of the database has 4,096 bytes), descriptors with their paths and
addresses; with -D the server is our own child, so that signals and its exit status are the
server's."""

_BEGUN = re.compile(r"(\d+) +[\d.]+ (\w+)\(\d+<(.*)")
_RESUMED = re.compile(r"(\d+) +[\d.]+ <\.\.\. (\w+) resumed>(.*)")
_UNFINISHED = " <unfinished ...>"
_WRITES = ("write", "writev", "sendto", "sendmsg")
_SYNCS = ("fdatasync", "fsync")


@dataclass
class SystemCall:
    """One call of one thread: `text` begins with the path of its descriptor; begun and ended are
    line numbers."""

    thread: str
    name: str
    text: str
    begun: int
    ended: int | None = None

    @property
    def is_on_wal(self) -> bool:
        return self.text.partition(">")[0].endswith("-wal")

    @property
    def is_on_socket(self) -> bool:
        return self.text.startswith("TCP")


def read(lines: Iterable[str]) -> list[SystemCall]:
    """All calls in the order of their beginning; those that never ended have no `ended`."""
    calls: list[SystemCall] = []
    under_way: dict[str, SystemCall] = {}
    for number, line in enumerate(lines):
        if match := _RESUMED.match(line):
            call = under_way.pop(match[1])
            call.text += match[3]
            call.ended = number
        elif match := _BEGUN.match(line):
            call = SystemCall(match[1], match[2], match[3].removesuffix(_UNFINISHED), number)
            calls.append(call)
            if line.endswith(_UNFINISHED):
                under_way[call.thread] = call
            else:
                call.ended = number
    return calls


@dataclass(frozen=True)
class Promise:
    """A message of a transaction: its id, and a text that only its row contains."""

    message_id: str
    marker: str


def broken(promise: Promise, calls: Iterable[SystemCall]) -> str | None:
    """Why an answer was not allowed to leave when it did; None where it was.

    Its row goes into the WAL first; a sync of the WAL in the same thread must have ended, without
    error, before the answer begins to leave.
    """
    calls = list(calls)
    answers = [
        c
        for c in calls
        if c.is_on_socket and c.name in _WRITES and f'[3,\\"{promise.message_id}\\",' in c.text
    ]
    rows = [c for c in calls if c.is_on_wal and c.name == "pwrite64" and promise.marker in c.text]
    if len(answers) != 1 or not rows:
        return (
            f"{promise.message_id}: {len(answers)} answers and {len(rows)} writes of its row were "
            "seen"
        )
    syncs = [c for c in calls if c.is_on_wal and c.name in _SYNCS and c.thread == rows[0].thread]
    synced = [c for c in syncs if c.begun > (rows[0].ended or c.begun) and c.text.endswith("= 0")]
    if not synced or synced[0].ended is None:
        return f"{promise.message_id}: answered, and its commit was never synced"
    if answers[0].begun < synced[0].ended:
        return (
            f"{promise.message_id}: answered on line {answers[0].begun}, synced on line "
            f"{synced[0].ended}"
        )
    return None

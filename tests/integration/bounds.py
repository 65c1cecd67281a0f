"""How much strangers and the log can add to the folder of the database in a day, by tables and
files."""

from __future__ import annotations

from fnmatch import fnmatch
from typing import Final, NamedTuple


class Bound(NamedTuple):
    """Tables and files, and the megabytes that they may grow by: in all, and more for each start
    and identity."""

    names: str
    fixed: float
    each_start: float
    each_identity: float
    limited_by: str

    def has(self, name: str) -> bool:
        """Whether it is about a table or a file."""
        return any(fnmatch(name, known) for known in self.names.split(", "))

    def megabytes(self, starts: int, identities: int) -> float:
        """What they may have, with this --max-starts and so many identities."""
        return self.fixed + self.each_start * starts + self.each_identity * identities


BOUNDS: Final = (
    Bound(
        "log",
        40,
        0,
        0,
        "`--log-max-mb`, in addition to what is said here, and what comes in ten seconds",
    ),
    Bound("evidence, set_aside", 30, 1, 0.03, "the budget of evidence; the limit on messages"),
    Bound(
        "tx, tx_event, tx_account, review, habit, bill_work, booked, booked_cost, to_book",
        5,
        0.5,
        0.01,
        "`--max-starts`",
    ),
    Bound("meter_val", 5, 5, 0.1, "the limit on readings; 256 bytes of a message count as one"),
    Bound(
        "event, boot, status, cp_err, repair, configuration, certificate_request",
        *(400, 0, 0.06),
        "3 facts of each kind for each stranger, and 10,000 for all",
    ),
    Bound("session", 30, 0, 0.01, "50,000 connections, besides 20 of each"),
    Bound(
        "cp, cp_conn, fact_count, event_sum, ping, asked_tag",
        *(5, 0, 0.03),
        "the numbers of identities, connectors and kinds",
    ),
    Bound(
        (
            "command, configuration_reading, operator_action, turned_away, site_count, "
            "evidence_pruning, run"
        ),
        *(10, 0, 0),
        "what you ask for; of refused requests ten a minute and address; 50 who are turned away",
    ),
    Bound(
        "site.db-wal, site.db-shm, free pages",
        100,
        0,
        0,
        "checkpoints; what pruning leaves for the next frames",
    ),
    Bound("server.log, server.log.*", 66, 0, 0, "six files of 10 MB"),
    Bound("simulator.json, *.lock, *.sock, *.key", 1, 0, 0, "the chargers of a simulator"),
)
"""`just manual` writes them into the reference."""

"""Each text of a table that leads to a household goes with its personal data, or stays for a reason
that is given."""

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from levity_trio.nouns import Recipient, User
from levity_trio.records import personal_in
from levity_trio.store.engine.schema import model, newest_version
from levity_trio.store.reads.money.wallets import EntryRow, TermsRow
from levity_trio.store.reads.people.driving import DriverReport
from levity_trio.store.reads.people.households import Belonging
from levity_trio.store.reads.people.messages import MessageRow
from levity_trio.store.writes.people.accounts import AccountData
from levity_trio.store.writes.people.ownership import VehicleData
from levity_trio.store.writes.people.tags import TagData
from tests.store.books import Books
from tests.store.template import new_database
from tests.store.test_personal import ANNA, Leaving

BY_KEY: Final = (
    *(
        "vehicle",
        "space",
        "tag",
        "tariff_assignment",
        "usage_limit",
        "asked_tag",
        "backend_card",
        "refused_card",
        "month_standing",
    ),
    *("tx_event", "review", "operator_action", "household_task"),
)
"""Tables that name a household, its cards, cars or sessions without a reference to it."""
PATTERNS: Final = {
    r"(.*_)?(at|on|since|until|month|day)": "a time",
    r"(.*_)?(by|who|role)": "an operator, or a driver by the number",
    r"(kinds?|what|way|scope|channel|part|key|zone|currency|prices?)": "a word",
    r"(status|state|cause|code|resolution|about)": "a word",
    r"language": "a word",
    r"(.*_)?(digest|salt|message_id)": "made by a machine",
    r"(cp_id|replaced_by|id_tag|parent_id_tag|same_as|chargers)": (
        "a charger, or the number of a card: a fact of sessions"
    ),
    r"(taxes|terms|split|lines|content)": "of a closed statement, for the years of keeping",
}
"""What columns of these names have in all tables."""
REASONS: Final = {
    "bank_line.reference": "a digest of what a machine made",
    "household_task.results": "numbers and words",
    "household_task.steps": "numbers, and the normal forms of cards",
    "ledger.service_id": "made by a machine",
    "ledger.source": "a word",
    "message.not_before": "a time",
    "operator_action.body": "recorded without what is marked as Personal in its kind",
    "operator_action.method": "a word",
    "operator_action.path": "numbers, and cards",
    "operator_action.request": "made by a machine",
    "personal_deletion.reason": "why the rest is gone",
    **dict.fromkeys(("position.meter_serial", "position.charger_serial"), "numbers of devices"),
    "position.measured": "a word",
    "position.reason": "of a closed statement, for the years of keeping",
    "recipient.quiet_from": "an hour",
    "recipient.quiet_until": "an hour",
    "refused_card.reason": "a word",
    "review.evidence": "figures",
    "review.figures": "figures",
    "review.words": "figures",
    **dict.fromkeys(("review.told", "review.evidence_told", "review.figures_told"), "figures"),
    "position.told": "as position.reason, which is under the seal",
    "statement.printed_number": "a number",
    "statement.before": "amounts and days, under the seal",
    "statement.evidence": "made by a machine",
    "position.signed": "made by a machine",
    "tx_event.payload": "what a charger sent, or figures",
    "tx_event.sent_timestamp": "a time",
    "tx_event.timestamp": "a time",
}


def of_households(connection: sqlite3.Connection) -> set[str]:
    """Return the tables with a reference to an account, or to one that has, and those that name its
    things."""
    names = {
        name
        for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
    }
    parents = {
        name: {row[2] for row in connection.execute(f"PRAGMA foreign_key_list('{name}')")}
        for name in names
    }
    found = {"account"}
    while more := {name for name in names - found if parents[name] & found}:
        found |= more
    return found | {*BY_KEY}


def texts(connection: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    for table in sorted(of_households(connection)):
        for _, column, kind, *_ in connection.execute(f"PRAGMA table_info('{table}')"):
            if kind == "TEXT":
                yield table, column


def reason(table: str, column: str) -> str | None:
    named = (words for pattern, words in PATTERNS.items() if re.fullmatch(pattern, column))
    return REASONS.get(f"{table}.{column}") or next(named, None)


@pytest.fixture
def gone(tmp_path: Path) -> set[tuple[str, str]]:
    """The columns that the deletion of a household, and the end of the years of keeping, write; *
    is a whole row."""
    written = set[tuple[str, str]]()

    def note(action: int, table: str | None, column: str | None, *_: str | None) -> int:
        if action in (sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE):
            written.add((table or "", column or "*"))
        return sqlite3.SQLITE_OK

    with new_database(tmp_path / "site.db") as connection:
        leaving = Leaving(Books(connection))
        connection.execute(
            (
                'INSERT INTO "user" (name, role, added_at, added_by, account_id) '
                "VALUES ('Anna', 'driver', ?, 'cleo', ?)"
            ),
            (leaving.books.at, ANNA),
        )
        connection.set_authorizer(note)
        leaving.delete()
        leaving.forget(2099)
        connection.set_authorizer(None)
    return written


def test_each_text_goes_or_has_a_reason_to_stay(gone: set[tuple[str, str]]) -> None:
    every = [*texts(model(newest_version()))]
    stays = [
        (table, column)
        for table, column in every
        if {(table, column), (table, "*")}.isdisjoint(gone)
    ]
    assert [f"{table}.{column}" for table, column in stays if reason(table, column) is None] == []
    assert {*REASONS} <= {f"{table}.{column}" for table, column in stays}


MARKED: Final = {
    "account": AccountData,
    "vehicle": VehicleData,
    "tag": TagData,
    "user": User,
    "recipient": Recipient,
    "message": MessageRow,
    "report": DriverReport,
    "ownership": Belonging,
    "wallet_terms": TermsRow,
    "ledger": EntryRow,
}
"""The records whose marks say what goes, by their tables."""


def test_what_is_marked_goes(gone: set[tuple[str, str]]) -> None:
    marked = {(table, name) for table, kind in MARKED.items() for name in personal_in(kind)}
    assert marked <= gone

"""A database of before schema 091: a row for each column that had sentences, and what a German page
says of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from levity_trio.locale import speaking
from levity_trio.locale.texts import said
from levity_trio.told import of_stored

VERSION: Final = 90
NAMED_LIKE_A_TEXT: Final = "Available"
AT: Final = "2026-03-01T10:00:00.000Z"
_ROWS: Final[tuple[tuple[str, Mapping[str, object]], ...]] = (
    ("run", {"id": 1, "version": "1", "started_at": AT, "clock_trusted": 1}),
    ("cp", {"id": NAMED_LIKE_A_TEXT, "created_at": AT, "updated_at": AT}),
    (
        "session",
        {
            "id": 1,
            "cp_id": NAMED_LIKE_A_TEXT,
            "run_id": 1,
            "remote_address": "",
            "target": "",
            "clock_trusted": 1,
        }
        | {"connected_at": AT},
    ),
    (
        "tx",
        {
            "id": 7,
            "cp_id": NAMED_LIKE_A_TEXT,
            "session_id": 1,
            "verdict": "Accepted",
            "start_time": AT,
            "own_start_time": AT,
            "status": "Active",
        }
        | {"created_at": AT, "updated_at": AT},
    ),
    (
        "tx_event",
        {"id": 1, "tx_id": 7, "kind": "close", "who": "system", "received_at": AT, "timestamp": AT}
        | {
            "last_received_at": AT,
            "reason": "29000 Wh, certain, before; 20500 Wh, doubtful, now; its own stop came",
        },
    ),
    (
        "tx_event",
        {"id": 2, "tx_id": 7, "kind": "stop", "who": "charger", "received_at": AT, "timestamp": AT}
        | {"last_received_at": AT, "reason": "Local"},
    ),
    (
        "review",
        {"tx_id": 7, "code": "shared_register", "opened_at": AT}
        | {"figures": '{"as reported": 1500, "meterStop is 7 Wh, the last reading is 29000 Wh": 0}'}
        | {"words": "its register also counted transaction 6 on connector 2 of Available"}
        | {"evidence": '["29000 to 30500 Wh while both ran", "the registers of transaction 6"]'},
    ),
    (
        "review",
        {
            "tx_id": 7,
            "code": "operator_overruled",
            "figures": "{}",
            "opened_at": AT,
            "evidence": '["29000 Wh", "7 Wh"]',
        }
        | {"words": "Left had closed it at 29000 Wh; its charger's own stop came later"},
    ),
    (
        "set_aside",
        {
            "cp_id": NAMED_LIKE_A_TEXT,
            "session_id": 1,
            "received_at": AT,
            "action": "StopTransaction",
            "message_id": "1",
        }
        | {"payload": "{}", "digest": "", "last_received_at": AT}
        | {"reason": "no transaction of this charger fits this stop"},
    ),
    (
        "account",
        {
            "id": 1,
            "name": "Open",
            "since": AT,
            "created_at": AT,
            "created_by": "cleo",
            "updated_at": AT,
        },
    ),
    (
        "statement",
        {
            "id": 1,
            "account_id": 1,
            "month": "2026-03",
            "zone": "UTC",
            "currency": "EUR",
            "prices": "gross",
        }
        | {
            "taxes": "[]",
            "charged": 0,
            "carried_in": 0,
            "total": 0,
            "is_carried": 0,
            "content": "",
        },
    ),
    (
        "position",
        {
            "statement_id": 1,
            "account_id": 1,
            "kind": "held back",
            "tx_id": 7,
            "energy_wh": 0,
            "is_prepaid": 0,
        }
        | {
            "lines": "[]",
            "amount": 0,
            "reason": "waits for review: meterStop 7000 Wh; the energy fits no battery",
        },
    ),
    (
        "command",
        {
            "cp_id": NAMED_LIKE_A_TEXT,
            "action": "Reset",
            "payload": "{}",
            "state": "accepted",
            "requested_at": AT,
        }
        | {"outcome": "contradicted", "outcome_words": "connector 1 reports Available"},
    ),
    (
        "load_trial",
        {"cp_id": NAMED_LIKE_A_TEXT, "conn_id": 1, "began_at": AT, "began_by": "cleo"}
        | {"steps": '[{"step": "limit", "is_passed": true, "words": "8.4 A at a limit of 6 A"}]'},
    ),
    (
        "turned_away",
        {
            "subject": "x",
            "remote_address": "",
            "kind": "password",
            "reason": "it presents no password",
        }
        | {"first_at": AT, "last_at": AT},
    ),
    (
        "recipient",
        {
            "id": 1,
            "who": "owner",
            "kinds": "[]",
            "away_minutes": 5,
            "with_names": 0,
            "gets_statements": 0,
        }
        | {"added_at": AT, "added_by": "cleo", "mail_problem": "550 no such user"},
    ),
    (
        "message",
        {
            "message_id": "1",
            "recipient_id": 1,
            "channel": "mail",
            "part": "note",
            "kind": "report",
            "created_at": AT,
        }
        | {"not_before": AT, "next_at": AT, "given_up_at": AT, "problem": "550 no such user"},
    ),
    (
        "webhook",
        {
            "id": 1,
            "name": "house",
            "url": "",
            "secret": "",
            "created_at": AT,
            "created_by": "cleo",
            "position": 0,
        },
    ),
    (
        "webhook_waiting",
        {
            "webhook_id": 1,
            "cp_id": "",
            "position": 0,
            "attempts": 1,
            "failing_since": AT,
            "next_at": AT,
        }
        | {"problem": "status 503"},
    ),
    (
        "webhook_given_up",
        {
            "webhook_id": 1,
            "at": AT,
            "failing_since": AT,
            "first_event": 1,
            "last_event": 1,
            "facts": 1,
        }
        | {"problem": "status 503"},
    ),
    (
        "local_list_kept",
        {"cp_id": NAMED_LIKE_A_TEXT, "problem": "it accepted list version 3 and has 2"},
    ),
    (
        "cause",
        {"kind": "circuit", "subject": "", "parts": "[]", "began_at": AT, "found_at": AT}
        | {"words": "Free is above its limit on L1"},
    ),
    (
        "securing",
        {
            "cp_id": NAMED_LIKE_A_TEXT,
            "profile": 1,
            "steps": "[]",
            "asked_at": AT,
            "asked_by": "cleo",
            "ended_at": AT,
        }
        | {"result": "replaced", "problem": "the connection ended 3 times"},
    ),
    ("mqtt", {"id": 1, "position": 0, "moved_at": AT, "since": AT, "problem": "Not authorized"}),
)
GERMAN: Final = {
    "SELECT told FROM tx_event WHERE id = 1": "29 kWh, sicher, vorher; 20,5 kWh, ungeklärt, jetzt;"
    " sein eigenes Ende kam",
    "SELECT told FROM set_aside": "kein Ladevorgang dieser Wallbox passt zu diesem Ende",
    "SELECT told FROM position": (
        "wartet auf Klärung: Endzählerstand 7 kWh; die Energie passt in keine Batterie"
    ),
    "SELECT review_told FROM tx": (
        "sein Zähler zählte auch Ladevorgang 6 an Anschluss 2 von Available; Left hatte ihn bei "
        "29 kWh abgeschlossen; das Ende seiner Wallbox kam später"
    ),
    "SELECT outcome_words FROM command": "Anschluss 1 meldet Frei",
    "SELECT problem FROM local_list_kept": "sie nahm Version 3 der Liste an und hat 2",
    "SELECT words FROM cause": "Free liegt auf L1 über seiner Grenze",
    "SELECT reason FROM turned_away": "sie legt kein Passwort vor",
    "SELECT problem FROM securing": "die Verbindung endete 3 Mal",
    **dict.fromkeys(
        ("SELECT mail_problem FROM recipient", "SELECT problem FROM message"), "550 no such user"
    ),
    **dict.fromkeys(
        ("SELECT problem FROM webhook_waiting", "SELECT problem FROM webhook_given_up"),
        "status 503",
    ),
    "SELECT problem FROM mqtt": "Not authorized",
}
"""What a page says of a column. It is what it said before."""


def fill(execute: Callable[[str, Any], object]) -> None:
    """Add the rows to an empty database of that version."""
    for table, row in _ROWS:
        marks = ", ".join("?" * len(row))
        execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))


def in_german(execute: Callable[[str], Any]) -> dict[str, str]:
    """Return what German pages say of the columns."""
    with speaking("de"):
        return {sql: said(of_stored(execute(sql).fetchall()[0][0])) for sql in GERMAN}

"""Over-long texts: whole in `evidence` (and in the log until it is pruned), cut with their digest
everywhere else."""

import json
from contextlib import closing
from typing import Any

import pytest

from levity_trio.charger.central import Central
from levity_trio.events import FactsCounted, TransactionStarted
from levity_trio.store.writes.site.frames import BEGINNING_BYTES, STRANGERS
from levity_trio.wire.texts import LONGEST_TEXT, cut, digest
from tests.charger.parts import InlineWriter
from tests.charger.peers import PATH, open_charger
from tests.store.books import in_memory

LONG = "T" * 100_000
TIME = "2026-03-01T12:00:00Z"
START = {"connectorId": 1, "idTag": LONG, "meterStart": 1000, "timestamp": TIME}
SAMPLE = {"value": LONG, "context": LONG, "unit": LONG, "measurand": LONG}
STATUS = {"connectorId": 1, "status": "Faulted", "errorCode": "OtherError", "timestamp": TIME}
MESSAGES: list[tuple[str, dict[str, Any]]] = [
    (
        "BootNotification",
        {
            "chargePointVendor": LONG,
            "chargePointModel": "M",
            "firmwareVersion": LONG,
            "extra": LONG,
        },
    ),
    ("StatusNotification", STATUS | {"info": LONG, "vendorId": LONG, "vendorErrorCode": LONG}),
    ("Authorize", {"idTag": LONG}),
    ("DataTransfer", {"vendorId": LONG, "messageId": LONG, "data": LONG}),
    ("DataTransfer", {"vendorId": "V", "data": {"each": ["short"] * 20_000}}),
    ("SecurityEventNotification", {"type": LONG, "timestamp": LONG, "techInfo": LONG}),
    ("SignCertificate", {"csr": LONG}),
    ("StartTransaction", START),
    ("StartTransaction", START | {"meterStart": {"no": "number"}, "extra": LONG}),
    (
        "MeterValues",
        {"connectorId": 1, "meterValue": [{"timestamp": TIME, "sampledValue": [SAMPLE]}]},
    ),
    (
        "StopTransaction",
        {"transactionId": 7, "meterStop": "none", "timestamp": TIME, "reason": LONG, "idTag": LONG},
    ),
]
COLUMNS = (
    "SELECT one.name, known.name FROM sqlite_schema AS one "
    "JOIN pragma_table_info(one.name) AS known "
    "WHERE one.type = 'table' AND known.type = 'TEXT'"
)
WHOLE = ("log", "evidence")
FITS_CHARACTERS = 25_000


def longest(writer: InlineWriter) -> dict[str, int]:
    """The longest text of each column of each table."""
    with closing(in_memory()) as model:
        columns = model.execute(COLUMNS).fetchall()
    return {
        f"{table}.{column}": writer.row(
            f'SELECT coalesce(max(length("{column}")), 0) FROM "{table}"'
        )[0]
        for table, column in columns
        if (table in WHOLE) <= (column != "frame")
    }


def adopt(writer: InlineWriter) -> None:
    """Its charger is no stranger, of whom less is kept."""
    writer.rows("UPDATE cp SET registration = 'adopted' RETURNING id")


@pytest.mark.parametrize(("action", "payload"), MESSAGES, ids=[action for action, _ in MESSAGES])
async def test_an_over_long_text_stands_whole_in_evidence_and_nowhere_else(
    central: Central, writer: InlineWriter, action: str, payload: dict[str, Any]
) -> None:
    async with open_charger(central) as charger:
        await charger.call("Heartbeat")
        adopt(writer)
        await charger.call(action, payload)
    assert {
        column: length for column, length in longest(writer).items() if length > FITS_CHARACTERS
    } == {}
    assert (
        max(length for column, length in longest(writer).items() if column.startswith("log."))
        <= LONGEST_TEXT
    )
    if LONG in str(payload):
        ((kept,),) = writer.rows("SELECT frame FROM evidence")
        assert json.loads(kept)[2:] == [action, payload]


async def test_a_start_is_the_same_only_where_its_whole_text_is(
    central: Central, writer: InlineWriter
) -> None:
    async with open_charger(central) as charger:
        told = [
            await charger.call("StartTransaction", START | {"idTag": tag})
            for tag in (LONG, LONG, LONG + "x")
        ]
    first, again, other = [answer["transactionId"] for answer in told]
    assert first == again != other
    assert [started.id_tag for started in writer.recorded(TransactionStarted)] == [
        cut(LONG),
        cut(LONG + "x"),
    ]


async def test_the_digest_of_a_message_is_that_of_its_whole_payload(
    central: Central, writer: InlineWriter
) -> None:
    async with open_charger(central) as charger:
        await charger.call("StartTransaction", START)
    whole = json.dumps(START, separators=(",", ":"))
    assert writer.row("SELECT digest FROM tx_event WHERE kind = 'start'") == (digest(whole),)


async def test_message_ids_and_actions_are_cut_and_the_answer_bears_the_whole_id(
    central: Central, writer: InlineWriter
) -> None:
    async with open_charger(central, f"{PATH}?{'q' * 5_000}") as charger:
        await charger.call("Heartbeat")
        await charger.send(json.dumps([2, LONG, "StartTransaction", START | {"idTag": "A"}]))
        assert (await charger.receive())[1] == LONG
        await charger.send(json.dumps([2, "1", LONG, {}]))
        assert (await charger.receive())[:2] == [4, "1"]
    assert {
        column: length for column, length in longest(writer).items() if length > LONGEST_TEXT
    } == {}
    assert writer.row(
        "SELECT count(*) FROM tx_event JOIN evidence USING (session_id, message_id)"
    ) == (1,)


async def test_of_over_long_messages_so_many_bytes_are_kept_in_a_day(
    central: Central, writer: InlineWriter
) -> None:
    whole = STRANGERS.of_one // len(LONG) - 1  # with what is around each text
    async with open_charger(central) as charger:
        for _ in range(whole + 3):
            await charger.call("Authorize", {"idTag": LONG})
        await charger.call("StartTransaction", START | {"idTag": "A"})
    sizes = [
        size
        for (size,) in writer.rows(
            "SELECT length(frame) FROM evidence WHERE action = 'Authorize' ORDER BY id"
        )
    ]
    assert all(size > len(LONG) for size in sizes[:whole])
    assert all(BEGINNING_BYTES < size < BEGINNING_BYTES + 100 for size in sizes[whole:])
    assert len(sizes) == whole + 3


async def test_so_many_over_long_messages_are_kept_in_a_day(
    central: Central, writer: InlineWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("levity_trio.store.engine.database.DAILY_FACTS", 5)
    async with open_charger(central) as charger:
        for _ in range(8):
            await charger.call("Authorize", {"idTag": LONG})
    assert writer.row("SELECT count(*) FROM evidence") == (5,)
    assert "Evidence" in [counted.kind for counted in writer.recorded(FactsCounted)]

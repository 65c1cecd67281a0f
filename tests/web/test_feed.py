"""What a viewer sees of a fact in the stream of events."""

import json

from levity_trio.web.feed import EventFrame


def shown(sent: bytes) -> dict[str, object]:
    (line,) = [line for line in sent.decode().splitlines() if line.startswith("data: ")]
    fields: dict[str, object] = json.loads(line.removeprefix("data: "))
    return fields


def test_households_and_cards_are_hidden() -> None:
    given = {
        "charger": None,
        "ownership": 3,
        "account": 7,
        "what": "tag",
        "key": "04cafe01",
        "by": "anna",
    }
    presented = {"charger": "CP-1", "id_tag": "04CAFE01", "verdict": "Accepted"}
    sent = {"charger": "CP-1", "vendor_id": "V", "data": "card=04CAFE01"}
    told = [
        shown(EventFrame(1, "Kind", None, json.dumps(fields)).anonymous)
        for fields in (given, presented, sent)
    ]
    assert [sorted(one) for one in told] == [
        ["charger", "ownership", "what"],
        ["charger", "verdict"],
        ["charger", "vendor_id"],
    ]


def test_names_and_reasons_of_operators_and_addresses_are_hidden() -> None:
    decided = {"charger": "CP-1", "transaction": 7, "by": "anna", "reason": "she read the meter"}
    connected = {"charger": "CP-1", "remote_address": "10.0.0.1"}
    ended = {"charger": "CP-1", "reason": "no pong"}
    for kind, fields, hidden in (
        ("TransactionCorrected", decided, {"by", "reason"}),
        ("ChargerConnected", connected, {"remote_address"}),
        ("ChargerDisconnected", ended, set[str]()),
        ("OfALaterVersion", decided, {"by", "reason"}),
        ("ChargerDisconnected", connected, {"remote_address"}),
    ):
        frame = EventFrame(1, kind, "CP-1", json.dumps(fields))
        assert shown(frame.whole) == fields
        assert shown(frame.anonymous) == {
            name: value for name, value in fields.items() if name not in hidden
        }

"""What a viewer sees of a fact in the stream of events."""

import json

from levity_trio.web.feed import Frame


def shown(sent: bytes) -> dict[str, object]:
    (line,) = [line for line in sent.decode().splitlines() if line.startswith("data: ")]
    fields: dict[str, object] = json.loads(line.removeprefix("data: "))
    return fields


def test_names_and_reasons_of_operators_and_addresses_are_hidden() -> None:
    decided = {"charger": "CP-1", "transaction": 7, "by": "anna", "reason": "she read the meter"}
    connected = {"charger": "CP-1", "remote_address": "10.0.0.1"}
    ended = {"charger": "CP-1", "reason": "no pong"}
    for fields, hidden in ((decided, {"by", "reason"}), (connected, {"remote_address"}), (ended, set[str]())):
        frame = Frame(1, "Kind", "CP-1", json.dumps(fields))
        assert shown(frame.whole) == fields
        assert shown(frame.anonymous) == {name: value for name, value in fields.items() if name not in hidden}

"""Modbus TCP as far as a meter needs it: the request for its currents, and what the answer says.
Bytes in, numbers out.

A frame is a head of seven bytes (transaction, protocol 0, length, unit), the function and its data
(MODBUS Messaging on TCP/IP Implementation Guide V1.0b, 3.1). Functions 3 and 4 read registers of 16
bits (Application Protocol V1.1b3).
"""

import struct
from collections.abc import Mapping

from levity_trio.load.tree import Phases, as_phases
from levity_trio.records import record

HEAD = struct.Struct(">HHHB")
LONGEST = HEAD.size + 253
HOLDING, INPUT = 3, 4
FAILED = 0x80
PORT = 502


class MeterFault(Exception):
    """What a meter answered is of no use; the text says why."""


@record(kw_only=False)
class Model:
    """Where a meter has its currents. `shape` is how struct reads the registers of one phase: `f`
    is a float, `i` a whole number; `is_swapped` if the lower word comes first."""

    registers: tuple[int, int, int]
    function: int = INPUT
    shape: str = "f"
    amperes: float = 1.0
    is_swapped: bool = False


MODELS: Mapping[str, Model] = {
    # Eastron, SDM630 Modbus Protocol, V1.8: input registers 30007, 30009, 30011
    "SDM630": Model((0x06, 0x08, 0x0A)),
    # Eastron, SDM72D-M V2 Modbus Protocol: the same
    "SDM72": Model((0x06, 0x08, 0x0A)),
    # Carlo Gavazzi, EM24 Ethernet / EM340 / EM530 communication protocol: INT32 in mA, lower word
    # first
    "EM24": Model((0x0C, 0x0E, 0x10), INPUT, "i", 0.001, is_swapped=True),
    "EM340": Model((0x0C, 0x0E, 0x10), INPUT, "i", 0.001, is_swapped=True),
    # ABB, B23/B24 user manual, "Mapping tables": UINT32 in 0.01 A
    "B23": Model((0x5B0C, 0x5B0E, 0x5B10), HOLDING, "I", 0.01),
    # Schneider Electric, iEM3000 series user manual: registers 3000, 3002 and 3004, counted from 1
    "iEM3155": Model((0x0BB7, 0x0BB9, 0x0BBB), HOLDING),
    # Siemens, SENTRON PAC2200 manual, "Modbus measured variables": offsets 13, 15, 17
    "PAC2200": Model((0x0D, 0x0F, 0x11), HOLDING),
}
"""By the name in the site's document. A row more is a meter more."""


def request(model: Model, unit: int, transaction: int) -> bytes:
    """Return the frame that asks for the currents of all phases."""
    first = min(model.registers)
    count = max(model.registers) - first + 2
    return HEAD.pack(transaction, 0, 6, unit) + struct.pack(">BHH", model.function, first, count)


def length(head: bytes) -> int:
    """Return how many bytes follow a head. Raises MeterFault if it is none."""
    _transaction, protocol, follows, _unit = HEAD.unpack(head)
    if protocol != 0 or not 2 < follows <= LONGEST - HEAD.size + 1:
        raise MeterFault("the answer is not Modbus TCP")
    return int(follows) - 1


def currents(model: Model, sent: bytes, head: bytes, body: bytes) -> Phases | None:
    """Return the currents in an answer; None if it answers an earlier request. Raises
    MeterFault."""
    if head[:2] != sent[:2]:
        return None
    if body[0] == model.function | FAILED:
        why = _EXCEPTIONS.get(body[1], "unknown")
        raise MeterFault(f"the meter answers with exception {body[1]}: {why}")
    first = min(model.registers)
    data = body[2:]
    if body[0] != model.function or len(data) < 2 * (max(model.registers) - first + 2):
        raise MeterFault("the answer is too short")
    amperes: list[float] = []
    for register in model.registers:
        offset = 2 * (register - first)
        words = data[offset : offset + 4]
        if model.is_swapped:
            words = words[2:] + words[:2]
        (value,) = struct.unpack(f">{model.shape}", words)
        amperes.append(float(value) * model.amperes)
    return as_phases(amperes)


_EXCEPTIONS = {
    1: "it does not know this function",
    2: "it has no such register; is the model right?",
    3: "it does not take this request",
    4: "it failed",
    6: "it is busy",
    10: "there is no way to this unit",
    11: "this unit does not answer; is the unit right?",
}

"""Modbus TCP as far as a meter needs it: the request for its currents or powers, and what the
answer says. Bytes in, numbers out.

A frame is a head of seven bytes (transaction, protocol 0, length, unit), the function and its data
(MODBUS Messaging on TCP/IP Implementation Guide V1.0b, 3.1). Functions 3 and 4 read registers of 16
bits (Application Protocol V1.1b3).
"""

import struct
from collections.abc import Mapping

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
    """Where a meter has the A or the W of its phases. `shape` is how struct reads the registers of
    one phase: `f` is a float, `i` a whole number, of which `factor` makes A or W; `is_swapped` if
    the lower word comes first."""

    registers: tuple[int, int, int]
    function: int = INPUT
    shape: str = "f"
    factor: float = 1.0
    is_swapped: bool = False


# Eastron, SDM630 Modbus Protocol, V1.8: input registers 30007, 30009, 30011; W in 30013 to 30017.
# SDM72D-M V2 Modbus Protocol: the same.
_EASTRON = Model((0x06, 0x08, 0x0A))
_EASTRON_W = Model((0x0C, 0x0E, 0x10))
# Carlo Gavazzi, EM24 Ethernet / EM340 / EM530 communication protocol: INT32 in mA and in 0.1 W,
# lower word first
_GAVAZZI = Model((0x0C, 0x0E, 0x10), INPUT, "i", 0.001, is_swapped=True)
_GAVAZZI_W = Model((0x12, 0x14, 0x16), INPUT, "i", 0.1, is_swapped=True)
# ABB, B23/B24 user manual, "Mapping tables": UINT32 in 0.01 A, INT32 in 0.01 W
_ABB = Model((0x5B0C, 0x5B0E, 0x5B10), HOLDING, "I", 0.01)
_ABB_W = Model((0x5B16, 0x5B18, 0x5B1A), HOLDING, "i", 0.01)
# Schneider Electric, iEM3000 series user manual: registers 3000, 3002 and 3004, counted from 1; kW
# in 3054, 3056 and 3058
_SCHNEIDER = Model((0x0BB7, 0x0BB9, 0x0BBB), HOLDING)
_SCHNEIDER_W = Model((0x0BED, 0x0BEF, 0x0BF1), HOLDING, "f", 1000.0)
# Siemens, SENTRON PAC2200 manual, "Modbus measured variables": offsets 13, 15, 17; W in 25, 27, 29
_SIEMENS = Model((0x0D, 0x0F, 0x11), HOLDING)
_SIEMENS_W = Model((0x19, 0x1B, 0x1D), HOLDING)
_KNOWN = {
    "SDM630": (_EASTRON, _EASTRON_W),
    "SDM72": (_EASTRON, _EASTRON_W),
    "EM24": (_GAVAZZI, _GAVAZZI_W),
    "EM340": (_GAVAZZI, _GAVAZZI_W),
    "B23": (_ABB, _ABB_W),
    "iEM3155": (_SCHNEIDER, _SCHNEIDER_W),
    "PAC2200": (_SIEMENS, _SIEMENS_W),
}
"""By the name in the site's document. A row more is a meter more."""
MODELS: Mapping[str, Model] = {name: amperes for name, (amperes, _) in _KNOWN.items()}
POWERS: Mapping[str, Model] = {name: watts for name, (_, watts) in _KNOWN.items()}
"""Active powers, below zero where power flows the other way."""


def request(model: Model, unit: int, transaction: int) -> bytes:
    """Return the frame that asks for all phases."""
    first = min(model.registers)
    count = max(model.registers) - first + 2
    return HEAD.pack(transaction, 0, 6, unit) + struct.pack(">BHH", model.function, first, count)


def length(head: bytes) -> int:
    """Return how many bytes follow a head. Raises MeterFault if it is none."""
    _transaction, protocol, follows, _unit = HEAD.unpack(head)
    if protocol != 0 or not 2 < follows <= LONGEST - HEAD.size + 1:
        raise MeterFault("the answer is not Modbus TCP")
    return int(follows) - 1


def shown(model: Model, sent: bytes, head: bytes, body: bytes) -> list[float] | None:
    """Return the A or W in an answer; None if it answers an earlier request. Raises MeterFault."""
    if head[:2] != sent[:2]:
        return None
    if body[0] == model.function | FAILED:
        why = _EXCEPTIONS.get(body[1], "unknown")
        raise MeterFault(f"the meter answers with exception {body[1]}: {why}")
    first = min(model.registers)
    data = body[2:]
    if body[0] != model.function or len(data) < 2 * (max(model.registers) - first + 2):
        raise MeterFault("the answer is too short")
    values: list[float] = []
    for register in model.registers:
        offset = 2 * (register - first)
        words = data[offset : offset + 4]
        if model.is_swapped:
            words = words[2:] + words[:2]
        (value,) = struct.unpack(f">{model.shape}", words)
        values.append(float(value) * model.factor)
    return values


_EXCEPTIONS = {
    1: "it does not know this function",
    2: "it has no such register; is the model right?",
    3: "it does not take this request",
    4: "it failed",
    6: "it is busy",
    10: "there is no way to this unit",
    11: "this unit does not answer; is the unit right?",
}

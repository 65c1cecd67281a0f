"""The readings of a large message, read part by part: the whole would take a hundred times its
size."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from levity_trio.charging.sent import readings
from levity_trio.charging.sent.readings import Reading
from levity_trio.wire.errors import ErrorCode, Refused
from levity_trio.wire.frames import Call, parse_frame
from levity_trio.wire.large import Parts, parts_of
from levity_trio.wire.payloads import read_request
from levity_trio.wire.repair import Repair, Wrong, damaged_json
from levity_trio.wire.texts import cut_texts, may_be_long


class LargeData:
    """The readings of a large StopTransaction or MeterValues, in lists of some hundred, as often as
    they are asked for.

    Elements that cannot be read are left out, unless `strict`: then reading raises Refused.
    """

    def __init__(self, parts: Parts, received: datetime, *, strict: bool = False) -> None:
        self._parts = parts
        self._received = received
        self._strict = strict
        self.repairs: list[Repair] = []
        """The repairs that the last reading took."""

    @classmethod
    def of(cls, frame: str, received: datetime) -> LargeData | None:
        """Return the readings of a stored frame, None if it is an ordinary one."""
        parts = parts_of(frame)
        return None if parts is None else cls(parts, received)

    @property
    def ends(self) -> str:
        """The frame with the readings at both ends of the list."""
        return self._parts.ends()

    def all(self) -> list[Reading]:
        """Return all readings at once."""
        return [reading for part in self for reading in part]

    def __iter__(self) -> Iterator[list[Reading]]:
        self.repairs = []
        for text in self._parts:
            call = parse_frame(text, strict=self._strict)
            if not isinstance(call, Call):
                raise Refused(ErrorCode.FORMATION_VIOLATION, Wrong.DAMAGED_JSON)
            if call.is_damaged:
                self.repairs.append(damaged_json(text))
            payload = cut_texts(call.payload) if may_be_long(text) else call.payload
            elements = None
            try:
                read = read_request(call.action, payload, strict=self._strict)
            except Refused as refused:
                if self._strict:
                    raise
                # The other parts can be read all the same.
                self.repairs += [Repair(kind, sample) for kind, sample in refused.faults.items()]
            else:
                self.repairs += read.repairs
                if call.action == "StopTransaction":
                    elements = read.message.transaction_data
                else:
                    elements = read.message.meter_value
            yield readings.read(elements or (), self._received)

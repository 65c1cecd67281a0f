"""What a charger keeps over a power cut: plain data, so that a file can keep it over the simulator's own end."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

from levity_trio.simulator.charger.spec import ChargerSpec


@dataclass(slots=True)
class Message:
    """A message of a transaction that waits for its turn; §3.7.1 counts its attempts.

    `local_id` is the charger's own number of the transaction, below zero; the central system's takes its place when the
    message is sent, if it is known by then. None in a reading outside any transaction.
    """

    action: str
    payload: dict[str, Any]
    local_id: int | None
    attempts: int = 0


@dataclass(slots=True)
class Memory:
    """The non-volatile memory of one charger; lists by connector begin with connector 0, the charger itself."""

    registers: list[float]
    """Lifetime register of each connector, in Wh."""
    offsets: list[int]
    """What each register shows beyond the truth, in Wh: a quirk may have reset it, or made it leap."""
    is_operative: list[bool]
    firmware_version: str
    configuration: dict[str, str] = field(default_factory=dict)
    local_list_version: int = 0
    local_list: dict[str, dict[str, Any]] = field(default_factory=dict)
    cache: dict[str, dict[str, Any]] = field(default_factory=dict)
    reservations: dict[str, dict[str, Any]] = field(default_factory=dict)
    profiles: list[dict[str, Any]] = field(default_factory=list)
    certificates: dict[str, Any] = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)
    transaction_ids: dict[str, int] = field(default_factory=dict)
    """The central system's ids by our own, as long as messages wait for them."""
    last_local_id: int = 0
    meters: int = 1
    """How many meters it has had at each connector."""

    @classmethod
    def fresh(cls, spec: ChargerSpec) -> Self:
        """The memory of a charger on its first day."""
        places = spec.connectors + 1
        return cls([float(spec.register_wh)] * places, [0] * places, [True] * places, spec.firmware_version)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Self:
        """Raises TypeError or KeyError where it was not written by to_json."""
        known = {one.name: kept[one.name] for one in fields(cls) if one.name in kept}
        known["messages"] = [Message(**message) for message in known.get("messages", [])]
        return cls(**known)

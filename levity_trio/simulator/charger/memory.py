"""The non-volatile memory of a charger: plain data, so that a file can keep it between runs of the simulator."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

from levity_trio.simulator.charger.spec import ChargerSpec


@dataclass(slots=True)
class Message:
    """A queued transaction message, with its failed attempts (§3.7.1).

    `local_id` is the charger's own negative id of the transaction. The central system's id replaces it on sending, if
    it is known by then. None for a message outside any transaction.
    """

    action: str
    payload: dict[str, Any]
    local_id: int | None
    attempts: int = 0


@dataclass(slots=True)
class Memory:
    """The memory of one charger. Lists by connector begin with connector 0, the charger itself."""

    registers: list[float]
    """Lifetime register of each connector, in Wh."""
    offsets: list[int]
    """Reported minus true register of each connector, in Wh: a quirk or a command may have changed it."""
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
    """The central system's transaction ids by local id, while queued messages need them."""
    last_local_id: int = 0
    meters: int = 1
    """The number of meters that each connector has had."""

    @classmethod
    def fresh(cls, spec: ChargerSpec) -> Self:
        """Return the memory of a new charger."""
        places = spec.connectors + 1
        return cls([float(spec.register_wh)] * places, [0] * places, [True] * places, spec.firmware_version)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Self:
        """Raises TypeError or KeyError if `to_json` did not write it."""
        known = {one.name: kept[one.name] for one in fields(cls) if one.name in kept}
        known["messages"] = [Message(**message) for message in known.get("messages", [])]
        return cls(**known)

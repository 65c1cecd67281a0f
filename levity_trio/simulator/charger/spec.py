"""What one simulated charger is: its type plate and quirks, and the memory that it keeps without
power.

The memory is plain data, so that a file can keep it between runs of the simulator.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final, Self

from levity_trio.records import record
from levity_trio.wire.handshake import MAX_IDENTITY

AC, DC = "AC", "DC"
_MOST_CONNECTORS: Final = 32


@record
class ChargerSpec:
    """One charger. Current in A per phase (AC), power in W (DC), initial register in Wh.

    `quirks` are names of levity_trio.simulator.quirks. Raises ValueError with the allowed values.
    """

    id: str
    vendor: str = "Levity"
    model: str = "Simulated"
    serial_number: str = ""
    firmware_version: str = "1.0.0"
    connectors: int = 1
    power_type: str = AC
    phases: int = 1
    max_current_a: float = 32.0
    max_power_w: float = 50_000.0
    register_wh: int = 0
    security_profile: int = 0
    password: str | None = None
    signing_seed: str = ""
    """Its meters sign with keys made from it; "": they do not sign."""
    quirks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        is_name = 0 < len(self.id) <= MAX_IDENTITY and self.id.isprintable() and "/" not in self.id
        checks = {
            f"id: give 1 to {MAX_IDENTITY} printable characters without a slash": is_name
            and bool(self.id.strip()),
            "vendor, model: give 1 to 20 characters": 0 < len(self.vendor) <= 20
            and 0 < len(self.model) <= 20,
            "serial_number: give at most 25 characters": len(self.serial_number) <= 25,
            "firmware_version: give 1 to 50 characters": 0 < len(self.firmware_version) <= 50,
            f"connectors: give 1 to {_MOST_CONNECTORS}": 1 <= self.connectors <= _MOST_CONNECTORS,
            "power_type: give AC or DC": self.power_type in (AC, DC),
            "phases: give 1 or 3": self.phases in (1, 3),
            "max_current_a: give 6 to 125": 6 <= self.max_current_a <= 125,
            "max_power_w: give 1000 to 400000": 1_000 <= self.max_power_w <= 400_000,
            "register_wh: give 0 or more": self.register_wh >= 0,
            "security_profile: give 0 to 3": 0 <= self.security_profile <= 3,
            "password: security profiles 1 and 2 need one": self.security_profile not in (1, 2)
            or bool(self.password),
        }
        for text, is_kept in checks.items():
            if not is_kept:
                raise ValueError(text)


@dataclass(slots=True)
class Message:
    """A queued transaction message, with its failed attempts (§3.7.1).

    `local_id` is the charger's own negative id of the transaction. The central system's id replaces
    it on sending, if it is known by then. None for a message outside any transaction.
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
    """Reported minus true register of each connector, in Wh: a quirk or a command may have changed
    it."""
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
        places = spec.connectors + 1
        return cls(
            [float(spec.register_wh)] * places, [0] * places, [True] * places, spec.firmware_version
        )

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Self:
        """Raises TypeError or KeyError if `to_json` did not write it."""
        known = {field.name: kept[field.name] for field in fields(cls) if field.name in kept}
        known["messages"] = [Message(**message) for message in known.get("messages", [])]
        return cls(**known)

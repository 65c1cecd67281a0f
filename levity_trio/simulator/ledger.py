"""What the simulated chargers know to be true, and what they sent of it: to be compared with the server's books.

What a charger tells may be wrong by its quirks; its ledger is not. Times are simulated seconds since the simulation
began; `zero` of a ledger says what the central system's clock showed then.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

START, STOP, METER_VALUES = "StartTransaction", "StopTransaction", "MeterValues"
REGISTER: Final = "Energy.Active.Import.Register"
_ID: Final = "transactionId"
_POWER: Final = "Power.Active.Import"
_READINGS: Final = {METER_VALUES: "meterValue", STOP: "transactionData"}
_OWN_REGISTER: Final = {START: "meterStart", STOP: "meterStop"}


@dataclass(slots=True, kw_only=True)
class Moment:
    """One moment that a message tells of: first the truth, then what was sent of it, None where nothing was.

    `delivered_wh` is what had truly flowed in the transaction by then. `register` and `power_w` are the texts of the
    numbers as they were sent.
    """

    at: float
    delivered_wh: int
    time: str | None = None
    register: str | None = None
    unit: str = "Wh"
    power_w: str | None = None


@dataclass(slots=True, kw_only=True)
class Sent:
    """One message of a transaction, as it left the charger after all quirks, whether or not it was answered.

    `moments` are those of its readings, in their order, then its own where it is a start or a stop.
    """

    action: str
    moments: list[Moment]
    left: float | None = None
    """When it was sent first; None where it never was."""
    answered: float | None = None
    is_thrown_away: bool = False
    """After TransactionMessageAttempts (OCPP 1.6 §3.7.1)."""
    is_contradicted: bool = False
    """The same message followed at once with other values."""
    transaction_id: int | None = None
    connector: int | None = None
    id_tag: str | None = None

    def leave(self, payload: dict[str, Any], at: float, *others: dict[str, Any]) -> None:
        """Note what is being sent, and what else of the same kind goes with it.

        A repeat of it later says the same, but for an id that was learned meanwhile.
        """
        self.is_contradicted = any({**other, _ID: None} != {**payload, _ID: None} for other in others)
        self.left = at if self.left is None else self.left
        self.transaction_id = payload.get(_ID)
        self.connector = payload.get("connectorId")
        self.id_tag = payload.get("idTag")
        values = payload.get(_READINGS.get(self.action, ""), [])
        own = [{"timestamp": payload["timestamp"]}] if self.action in _OWN_REGISTER else []
        for moment, value in zip(self.moments, [*values, *own], strict=True):
            _note(moment, value)
        if self.action in _OWN_REGISTER:
            self.moments[-1].register = str(payload[_OWN_REGISTER[self.action]])

    @property
    def is_evidence(self) -> bool:
        """Whether anybody could know of it."""
        return self.left is not None and not self.is_thrown_away


SHARED_METER: Final = "its register counted another car, too"
KEPT_BACK: Final = "its last reading was not sent yet"
"""Lies of an entry: see simulator/provable.py, and comparison.py."""


@dataclass(slots=True, kw_only=True)
class Entry:
    """One transaction of one charger, from its start on.

    `began_at`, `meter_start` and `id_tag` are what its charger meant to tell. `energy_wh` is what truly flowed, in
    whole Wh as the true register showed them; `began` and `ended` are when, in simulated seconds.
    """

    charger: str
    connector: int
    id_tag: str
    began_at: str
    meter_start: int
    began: float = 0.0
    ended: float | None = None
    energy_wh: int = 0
    transaction_id: int | None = None
    """As the server answered; None while, or where, the charger never learned it."""
    sent: list[Sent] = field(default_factory=list)
    lies: list[str] = field(default_factory=list)
    """What else was told wrongly of it, in no message of its own."""

    @property
    def is_ended(self) -> bool:
        return self.ended is not None

    def message(self, action: str) -> Sent | None:
        """Its start, or its stop, if that left the charger and was not thrown away."""
        return next((one for one in self.sent if one.action == action and one.is_evidence), None)

    @property
    def thrown_away(self) -> list[str]:
        """The actions of what was thrown away, in order."""
        return [one.action for one in self.sent if one.is_thrown_away]


@dataclass(slots=True, kw_only=True)
class Ledger:
    """A whole run. `slack_seconds` is how far a charger lets its clock be off, and how old a told time may be."""

    chargers: list[str]
    entries: list[Entry]
    zero: datetime | None = None
    """What the central system's clock showed when the simulation began; None where it never told."""
    slack_seconds: float = 1.0
    transaction: int = 0
    set_aside_at: str = ""
    """How far the books went before the run: the highest transaction, the last message that was set aside."""

    def wall(self, at: float) -> datetime | None:
        """A simulated second by the central system's clock."""
        return None if self.zero is None else self.zero + timedelta(seconds=at)


def is_register(sample: dict[str, Any]) -> bool:
    """A sample without measurand is the register too (§7.43)."""
    return bool(sample.get("measurand", REGISTER) == REGISTER)


def _note(moment: Moment, value: dict[str, Any]) -> None:
    """What a meterValue says of a moment."""
    moment.time = value["timestamp"]
    for sample in value.get("sampledValue", ()):
        if is_register(sample):
            moment.register, moment.unit = str(sample["value"]), sample.get("unit", "Wh")
        elif sample.get("measurand") == _POWER:
            moment.power_w = str(sample["value"])

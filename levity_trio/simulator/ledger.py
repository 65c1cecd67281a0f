"""The true transactions of the simulated chargers and the messages sent about them, to verify the
server's database.

A quirk may falsify a charger's messages, but never its ledger. Times are simulated seconds since
the simulation began; a ledger's `zero` is the central system's time at that moment.

Its file has JSON lines. The first line has the format, its version, and the values of the whole
run. Each other line is one transaction with the messages sent about it.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import orjson

from levity_trio.config import ConfigError, EnvironmentProblem
from levity_trio.wire.times import parse_time, wire_time
from levity_trio.writing import DOCUMENT, opened, place, replacing

START, STOP, METER_VALUES = "StartTransaction", "StopTransaction", "MeterValues"
REGISTER: Final = "Energy.Active.Import.Register"
_ID: Final = "transactionId"
_POWER: Final = "Power.Active.Import"
READINGS: Final = {METER_VALUES: "meterValue", STOP: "transactionData"}
"""The field with the readings, by action."""
_OWN_REGISTER: Final = {START: "meterStart", STOP: "meterStop"}
SHARED_METER: Final = "its register counted another car, too"
KEPT_BACK: Final = "its last reading was not sent yet"
"""Lies of an entry: see provable.py and verification.py."""
FORMAT: Final = "levity-trio ledger"
VERSION: Final = 1
_WHOLE_RUN: Final = ("slack_seconds", "transaction", "set_aside_at", "chargers")


@dataclass(slots=True, kw_only=True)
class Moment:
    """One moment that a message reports: first the truth, then the values sent, None where none
    was.

    `delivered_wh` is the energy truly delivered in the transaction by then. `register` and
    `power_w` are the numbers as the texts that were sent.
    """

    at: float
    delivered_wh: int
    time: str | None = None
    register: str | None = None
    unit: str = "Wh"
    power_w: str | None = None


@dataclass(slots=True, kw_only=True)
class Sent:
    """One transaction message as the charger sent it, after all quirks, answered or not.

    `moments` has one moment for each reading, in order, then the message's own if it is a start or
    a stop.
    """

    action: str
    moments: list[Moment]
    left: float | None = None
    """When it was first sent; None if never."""
    answered: float | None = None
    is_thrown_away: bool = False
    """Discarded after TransactionMessageAttempts (OCPP 1.6 §3.7.1)."""
    is_contradicted: bool = False
    """The charger sent the same message again at once with different values."""
    transaction_id: int | None = None
    connector: int | None = None
    id_tag: str | None = None

    def leave(self, payload: dict[str, Any], at: float, *others: dict[str, Any]) -> None:
        """Record the payload being sent; `others` are payloads of the same message sent with it.

        A later retry has the same payload, except for a transactionId received meanwhile.
        """
        self.is_contradicted = any(
            {**other, _ID: None} != {**payload, _ID: None} for other in others
        )
        self.left = at if self.left is None else self.left
        self.transaction_id = payload.get(_ID)
        self.connector = payload.get("connectorId")
        self.id_tag = payload.get("idTag")
        values = payload.get(READINGS.get(self.action, ""), [])
        own = [{"timestamp": payload["timestamp"]}] if self.action in _OWN_REGISTER else []
        for moment, value in zip(self.moments, [*values, *own], strict=True):
            moment.time = value["timestamp"]
            for sample in value.get("sampledValue", ()):
                if is_register(sample):
                    moment.register, moment.unit = str(sample["value"]), sample.get("unit", "Wh")
                elif sample.get("measurand") == _POWER:
                    moment.power_w = str(sample["value"])
        if self.action in _OWN_REGISTER:
            self.moments[-1].register = str(payload[_OWN_REGISTER[self.action]])

    @property
    def is_evidence(self) -> bool:
        """Whether the central system can have received it: it was sent and not thrown away."""
        return self.left is not None and not self.is_thrown_away


@dataclass(slots=True, kw_only=True)
class Entry:
    """One transaction of one charger.

    `began_at`, `meter_start` and `id_tag` are the values before the charger's quirks. `energy_wh`
    is the energy truly delivered, in whole Wh by the true register; `began` and `ended` are in
    simulated seconds.
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
    """From the server's response; None if the charger never received it, or not yet."""
    sent: list[Sent] = field(default_factory=list)
    lies: list[str] = field(default_factory=list)
    """Other misbehaviour that affects the transaction and belongs to no single message of it."""

    @property
    def place(self) -> tuple[str, int]:
        """Its charger and its connector."""
        return self.charger, self.connector

    @property
    def moments(self) -> list[Moment]:
        """All moments that its messages report."""
        return [moment for sent in self.sent for moment in sent.moments]

    @property
    def is_ended(self) -> bool:
        return self.ended is not None

    def message(self, action: str) -> Sent | None:
        """Return its start or its stop, if that was sent and not thrown away."""
        return next((one for one in self.sent if one.action == action and one.is_evidence), None)

    @property
    def thrown_away(self) -> list[str]:
        return [one.action for one in self.sent if one.is_thrown_away]


@dataclass(slots=True, kw_only=True)
class Ledger:
    """One run. `slack_seconds` is the clock error that a charger tolerates, and the greatest age of
    a currentTime."""

    chargers: list[str]
    entries: list[Entry]
    zero: datetime | None = None
    """The central system's time when the simulation began; None if it never sent its time."""
    slack_seconds: float = 1.0
    transaction: int = 0
    set_aside_at: str = ""
    """The state of the database before the run: the highest transaction, the last message that was
    set aside."""

    def wall(self, at: float) -> datetime | None:
        """Convert simulated seconds to the central system's time."""
        return None if self.zero is None else self.zero + timedelta(seconds=at)


def is_register(sample: dict[str, Any]) -> bool:
    """A sample without a measurand is the energy register (§7.43); a signed one is a record."""
    is_signed = sample.get("format") == "SignedData"
    return not is_signed and sample.get("measurand", REGISTER) == REGISTER


def write_ledger(path: Path, ledger: Ledger) -> None:
    """Write the ledger, replacing the file. Blocks. Raises EnvironmentProblem."""
    zero = None if ledger.zero is None else wire_time(ledger.zero)
    whole_run = {name: getattr(ledger, name) for name in _WHOLE_RUN}
    head = {"format": FORMAT, "version": VERSION, "zero": zero, **whole_run}
    try:
        with replacing(path, DOCUMENT) as file:
            lines = (head, *map(asdict, ledger.entries))
            file.writelines(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in lines)
    except OSError as error:
        raise EnvironmentProblem(
            f"--ledger {path} cannot be written: {error.strerror}; make room, or give a file this "
            "user can write"
        ) from error


def check_writable(path: Path) -> None:
    """Fail before the run rather than at its end. An existing file stays unchanged. Raises
    EnvironmentProblem."""
    try:
        os.close(opened(place(path), os.O_WRONLY | os.O_APPEND, DOCUMENT))
    except OSError as error:
        raise EnvironmentProblem(
            f"--ledger {path} cannot be written: {error.strerror}; give a file this user can write"
        ) from error


def read_ledger(path: Path) -> Ledger:
    """Read a file that `write_ledger` wrote. Blocks. Raises ConfigError for any other file."""
    try:
        head, _, lines = path.read_bytes().partition(b"\n")
        return _ledger(orjson.loads(head), [orjson.loads(line) for line in lines.splitlines()])
    except OSError as error:
        problem = f": {error.strerror}"
    except (orjson.JSONDecodeError, TypeError, AttributeError):
        problem = " is not a ledger"
    except KeyError as error:
        problem = f" is not a ledger: {error} is missing"
    except ValueError as error:
        what, _, _ = str(error).partition("\n")
        problem = f" is not a ledger: {what}"
    raise ConfigError(f"{path}{problem}; give a file that simulate --ledger wrote")


def _ledger(head: dict[str, Any], lines: list[dict[str, Any]]) -> Ledger:
    if head["format"] != FORMAT:
        raise ValueError(f"its format is {head['format']!r}")
    if head["version"] != VERSION:
        raise ValueError(
            f"its version is {head['version']}, and this program reads version {VERSION}"
        )
    return Ledger(
        zero=None if head["zero"] is None else parse_time(head["zero"]),
        entries=[_entry(line) for line in lines],
        **{name: head[name] for name in _WHOLE_RUN},
    )


def _entry(line: dict[str, Any]) -> Entry:
    return Entry(**{**_known(Entry, line), "sent": [_sent(one) for one in line["sent"]]})


def _sent(line: dict[str, Any]) -> Sent:
    return Sent(**{**_known(Sent, line), "moments": [Moment(**one) for one in line["moments"]]})


def _known(kind: type[Entry | Sent], line: dict[str, Any]) -> dict[str, Any]:
    """Return the values of all fields. Raises KeyError with the name of a missing one."""
    return {field.name: line[field.name] for field in fields(kind)}

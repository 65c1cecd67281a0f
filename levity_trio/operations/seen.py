"""What was seen of a charger after an operation: records that the store builds from its rows, for
`outcomes.follow`.

`at` is the time of receipt by our clock; that of a response for ListVersion.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple, TypeAlias


class Booted(NamedTuple):
    """A BootNotification (table `boot`)."""

    at: datetime
    firmware: str | None


class StatusSeen(NamedTuple):
    """A StatusNotification (table `status`: received_at, and last_received_at where it was
    repeated)."""

    at: datetime
    connector: int
    status: str


class MessageSeen(NamedTuple):
    """Any CALL of the charger; its connector if it names one (tables `boot`, `status`, `meter_val`,
    `event`, `log`)."""

    at: datetime
    action: str
    connector: int | None = None


class TransactionBegan(NamedTuple):
    """A StartTransaction (table `tx`).

    `is_old`: the charger sent it from its memory, so the transaction began before it arrived.
    """

    at: datetime
    transaction: int
    connector: int | None
    id_tag: str | None
    is_old: bool = False


class TransactionEnded(NamedTuple):
    """A StopTransaction (table `tx_event`). Where the system closed a transaction nothing was
    seen."""

    at: datetime
    transaction: int
    reason: str | None = None


class ReadingSeen(NamedTuple):
    """A sample (table `meter_val`) of Current.Import in A, or of Power.Active.Import in W or kW, at
    the outlet.

    `phase` is empty where the value has none. Samples of one MeterValue have one `at`.
    """

    at: datetime
    connector: int
    transaction: int | None
    measurand: str
    value: float
    unit: str = ""
    phase: str = ""


class TransferStatus(NamedTuple):
    """A status of a transfer (table `event`: FirmwareStatusChanged, DiagnosticsStatusChanged,
    LogStatusChanged).

    `message` is the charger's action without `StatusNotification`: Firmware, Diagnostics or Log.
    Signed updates and logs have a `request_id`.
    """

    at: datetime
    message: str
    status: str
    request_id: int | None = None


class FileCame(NamedTuple):
    """A file that the charger sent to us for this command (table `file`)."""

    at: datetime
    number: int
    size_bytes: int


class ListVersion(NamedTuple):
    """The answer to GetLocalListVersion (table `command`)."""

    at: datetime
    version: int


Seen: TypeAlias = (
    Booted
    | StatusSeen
    | MessageSeen
    | TransactionBegan
    | TransactionEnded
    | ReadingSeen
    | TransferStatus
    | FileCame
    | ListVersion
)

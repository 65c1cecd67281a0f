"""What a charger asks for: a transaction to begin, or to end."""

from __future__ import annotations

from dataclasses import dataclass

from levity_trio.charging.moments import Moment
from levity_trio.store.writes.origin import Message


@dataclass(frozen=True, slots=True)
class Opening:
    """What makes a start the same one when it comes again: register in Wh."""

    connector: int
    id_tag: str
    meter_start: int
    moment: Moment


@dataclass(frozen=True, slots=True)
class Start(Opening):
    """A StartTransaction.req (§6.45). `sent_meter_start` is the register as sent where it was no whole number."""

    reservation_id: int | None
    message: Message
    sent_meter_start: str | None = None


@dataclass(frozen=True, slots=True)
class Started:
    """The answer to a start: the transactionId for ever, and the verdict its tag was given the first time."""

    transaction: int
    verdict: str


@dataclass(frozen=True, slots=True)
class Stop:
    """A StopTransaction.req (§6.49): register in Wh; `sent_meter_stop` as sent, where that was no whole number.

    Its transactionData is stored apart.
    """

    transaction: int
    id_tag: str | None
    meter_stop: int
    moment: Moment
    reason: str
    message: Message
    sent_meter_stop: str | None = None

"""Requests of a charger: StartTransaction and StopTransaction."""

from __future__ import annotations

from typing import Final, NamedTuple

from levity_trio.access.tags import Verdict
from levity_trio.charging.sent.readings import Moment, Reading
from levity_trio.records import record
from levity_trio.store.writes.origin import Message

LOCAL = "Local"
"""The reason of a stop at the charger, and of one without a reason (§4.10)."""
STOP_DATA: Final = "transactionData"
"""The source of readings that came in a stop."""
WITHOUT_ID: Final = -1
"""The transactionId of a stop that has none, as when it arrived."""


@record(kw_only=False)
class Opening:
    """The fields that identify a repeated start. The register is in Wh."""

    connector: int
    id_tag: str
    meter_start: int
    moment: Moment


@record(kw_only=False)
class Start(Opening):
    """A StartTransaction.req (§6.45). `sent_meter_start` is the register as sent if it was not an integer."""

    reservation_id: int | None
    message: Message
    sent_meter_start: str | None = None


@record(kw_only=False)
class Started:
    """The response to a start, the same for each repetition: the transactionId and the first verdict on its tag.

    While `is_asked`, the verdict is the one that holds unless the outside authorizer gives another.
    """

    transaction: int
    verdict: Verdict
    is_asked: bool = False


@record(kw_only=False)
class Stop:
    """A StopTransaction.req (§6.49) without its transactionData. The register is in Wh; `sent_meter_stop` is the
    register as sent if it was not an integer."""

    transaction: int
    id_tag: str | None
    meter_stop: int
    moment: Moment
    reason: str
    message: Message
    sent_meter_stop: str | None = None


class StopWithData(NamedTuple):
    """A StopTransaction.req and its transactionData."""

    stop: Stop
    data: list[Reading]

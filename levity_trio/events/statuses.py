"""What a StatusNotification tells of a connector; connector 0 is the charger."""

from __future__ import annotations

from levity_trio.events.fact import Fact
from levity_trio.records import record


@record
class StatusChanged(Fact):
    """The status of a connector changed (connector 0 is the charger itself)."""

    connector: int
    status: str
    error_code: str


@record
class AvailabilityDiffers(Fact):
    """A connector reports a status against what it was told to be: `wanted` is Operative or Inoperative."""

    connector: int
    wanted: str
    status: str


@record
class ErrorOpened(Fact):
    """A charger reported an errorCode other than NoError. It is a warning if the status is not Faulted."""

    connector: int
    error_code: str
    vendor_error_code: str | None
    is_warning: bool


@record
class ErrorsResolved(Fact):
    """A charger reported NoError for a connector with open errors."""

    connector: int
    count: int

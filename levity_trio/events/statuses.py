"""What a StatusNotification tells of a connector; connector 0 is the charger."""

from __future__ import annotations

from dataclasses import dataclass

from levity_trio.events.fact import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusChanged(Fact):
    """The status of a connector changed (connector 0 is the charger itself)."""

    connector: int
    status: str
    error_code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AvailabilityDiffers(Fact):
    """A connector reports a status against what it was told to be: `wanted` is Operative or Inoperative."""

    connector: int
    wanted: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorOpened(Fact):
    """A charger reported an errorCode other than NoError. It is a warning if the status is not Faulted."""

    connector: int
    error_code: str
    vendor_error_code: str | None
    is_warning: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorsResolved(Fact):
    """A charger reported NoError for a connector with open errors."""

    connector: int
    count: int

"""What operators entered about the meters of the house."""

from __future__ import annotations

from levity_trio.events.fact import Fact
from levity_trio.records import record


@record
class MeterChanged(Fact):
    """An operator added or changed a meter of the house."""

    meter: int
    change: str
    by: str


@record
class MeterRead(Fact):
    """An operator entered a reading of a meter of the house (`change` is added), or voided one that was wrong (voided).
    `read_at` is the time of the reading."""

    meter: int
    reading: int
    change: str
    read_at: str
    wh: int
    by: str

"""Facts about who may connect."""

from __future__ import annotations

from levity_trio.events.fact import Fact
from levity_trio.records import record


@record
class NewcomerWaiting(Fact):
    """A charger that nobody adopted connected for the first time, and waits for a person (--registration ask).

    `resembles` is a known charger whose identity differs only in the case of its letters.
    """

    remote_address: str
    resembles: str | None


@record
class ChargerAdopted(Fact):
    """A person registered a charger: it is served in every mode of --registration."""

    by: str
    reason: str


@record
class ChargerRefused(Fact):
    """A person refused a charger: it is answered Rejected, and is sent nothing."""

    by: str
    reason: str

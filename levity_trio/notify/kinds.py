"""What people can choose to be told, and how each kind of it is told."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Final, Self

from levity_trio.locale import N_
from levity_trio.records import record
from levity_trio.store.reads.now.attention import AttentionKind as Look
from levity_trio.store.reads.now.away import TOGETHER


@N_
@record(kw_only=False)
class HowTold:
    """How a kind is told. `looks` are what the page Now calls it, if it is told as long as that
    lasts."""

    choice: str
    """The words by which people choose it; "" if nobody can."""
    over: str | tuple[str, str] | None
    """What is said when it is over, perhaps with other words for several places; None for what has
    no end of its own: a fact, or the digest of a day."""
    path: str | None = None
    """Where it is mended, None for the page of its charger."""
    looks: Collection[Look] = ()
    settles: timedelta = timedelta()
    """How long it must last to be told."""
    together: timedelta = timedelta(minutes=10)
    """How close together conditions begin that have one cause."""
    is_urgent: bool = False
    """Whether quiet hours do not hold it back when it begins."""
    is_drivers: bool = False


class MessageKind(StrEnum):
    """What a recipient can choose to be told: its name in the database, and how it is told."""

    how: HowTold

    def __new__(cls, name: str, how: HowTold) -> Self:
        """Return a kind, which is the text of its name."""
        kind = str.__new__(cls, name)
        kind._value_ = name
        kind.how = how
        return kind

    FAULTED = (
        "fault",
        HowTold(
            "A charger is faulted, or seems to be",
            ("%(where)s is no longer faulted", "%(num)s connectors are no longer faulted"),
            looks=[Look.FAULTED],
            settles=timedelta(minutes=1),
            is_urgent=True,
        ),
    )
    AWAY = (
        "away",
        HowTold(
            "A charger is away",
            ("%(where)s is back", "%(num)s chargers are back"),
            # Chargers notice a dead network after three minutes, and start for as long when they
            # have power again.
            settles=TOGETHER,
            together=timedelta(minutes=5),
        ),
    )
    COMMAND = (
        "command",
        HowTold(
            "A charger does not do what it was asked",
            "%(where)s is in service, or out of it, as it was told",
            looks=[Look.AVAILABILITY],
            settles=timedelta(minutes=10),
        ),
    )
    DOUBTFUL = "doubt", HowTold("Sessions are in doubt (once a day)", None)
    REPORT = "report", HowTold("A household reports something, such as a lost card", None)
    BACKUP = (
        "backup",
        HowTold("A backup is missing", "There is a new backup", "/system", [Look.BACKUP]),
    )
    DISK = (
        "disk",
        HowTold(
            "The disk is nearly full",
            "The server has room to store again",
            "/system",
            [Look.DISK, Look.STORAGE],
            is_urgent=True,
        ),
    )
    EXCEEDED = (
        "exceeded",
        HowTold(
            "A circuit is above its limit",
            "The circuit is within its limit again",
            "/load",
            is_urgent=True,
        ),
    )
    METER = (
        "meter",
        HowTold("A meter of load management is silent", "The meter shows currents again", "/load"),
    )
    IGNORED = (
        "ignored",
        HowTold(
            "A charger does not obey its limit",
            "%(where)s no longer ignores its limit",
            "/load",
            [Look.IGNORED],
        ),
    )
    TOLD = (
        "told",
        HowTold(
            "A charger is told no more limits today",
            "%(where)s is told its limits again",
            "/load",
            [Look.TOLD],
        ),
    )
    PRICES = (
        "prices",
        HowTold(
            "Prices of a series are missing",
            "The prices are there again",
            "/tariffs",
            [Look.PRICES],
        ),
    )
    CERTIFICATE = (
        "certificate",
        HowTold(
            "A certificate ends soon",
            "The certificate of %(where)s is valid for long enough again",
            looks=[Look.CERTIFICATE],
        ),
    )
    BACKEND = (
        "backend",
        HowTold(
            "Another backend does not get everything",
            "The backend %(where)s gets everything again",
            "/backends",
        ),
    )
    FULL = "full", HowTold("The car is full", None, is_drivers=True)
    STOPPED = "stopped", HowTold("A session stopped early", None, is_drivers=True)
    UNPLUGGED = "unplugged", HowTold("The car was unplugged", None, is_drivers=True)
    STATEMENT = "statement", HowTold("A statement is ready", None, is_drivers=True)
    LIMIT = (
        "limit",
        HowTold("Four fifths of what we may use this month are used", None, is_drivers=True),
    )
    REMINDER = "reminder", HowTold("", None)
    """A statement is overdue; an owner asked for it."""


KINDS: Final = {str(kind): kind for kind in MessageKind}
DRIVER: Final = "driver"


def kinds_for(who: str) -> Mapping[str, str]:
    """Return what a recipient can choose, with its words."""
    return {
        kind: kind.how.choice
        for kind in MessageKind
        if kind.how.choice and kind.how.is_drivers is (who == DRIVER)
    }


OF_SITE: Final = kinds_for("owner")
"""For owners and caretakers."""
OF_DRIVER: Final = kinds_for(DRIVER)

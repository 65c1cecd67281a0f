"""A snapshot of the fleet: plain rows, read from the chargers without changing them.

Reading does not advance a meter, because the meter would then be ahead of the charger. So power, energy and state of
charge are as of the last moment at which the charger itself computed them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from levity_trio.simulator.charger.connector import Connector
from levity_trio.simulator.charger.spec import DC
from levity_trio.simulator.charger.state import State, Tally
from levity_trio.simulator.model.meter import shown_wh
from levity_trio.simulator.model.states import Status

_DAY_SECONDS: Final = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One charger. Power in W, energy in Wh, state of charge from 0 to 1."""

    id: str
    model: str = ""
    link: str = "down"
    """up, boot (connected, not accepted yet), down, away (set offline), off (without power)."""
    statuses: tuple[Status, ...] = ()
    """One for each connector, preceded by the charger's own if that is not Available."""
    tag: str = ""
    power_w: float = 0.0
    session_wh: int = 0
    """Energy of the running transactions."""
    delivered_wh: int = 0
    """Energy of all transactions since the simulation began."""
    soc: float | None = None
    """Of the fullest vehicle; None if the charger cannot know it (AC)."""
    messages: int = 0
    errors: int = 0
    quirks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The fleet at one moment, in simulated seconds. `seconds` is the run's length, None for a run without an end."""

    rows: Sequence[Row]
    at: float
    seconds: float | None = None
    first_hour: int = 0

    @property
    def share(self) -> float:
        """The progress of the run, from 0 to 1; 0 for a run without an end."""
        return _share(self.at, self.seconds)

    @property
    def time(self) -> str:
        """The simulated day and time of day."""
        day, second = divmod(int(self.at) + self.first_hour * 3600, _DAY_SECONDS)
        return f"day {day + 1}, {second // 3600:02}:{second % 3600 // 60:02}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """The source of views: the simulated time, the current rows, and the run's length as in View.

    `rows` is called only for a view that will be shown: it takes 25 ms for 5,000 chargers.
    """

    now: Callable[[], float]
    rows: Callable[[], Sequence[Row]]
    seconds: float | None = None
    first_hour: int = 0

    @property
    def share(self) -> float:
        """The progress of the run, from 0 to 1; 0 for a run without an end."""
        return _share(self.now(), self.seconds)

    def view(self) -> View:
        return View(rows=self.rows(), at=self.now(), seconds=self.seconds, first_hour=self.first_hour)


def row_of(charger: State) -> Row:
    """Return a charger's row without changing the charger."""
    connectors = charger.connectors
    return Row(
        id=charger.spec.id,
        model=charger.spec.model,
        link=_link(charger),
        statuses=tuple(one.status for one in connectors if one.number or one.status is not Status.AVAILABLE),
        tag=" ".join(tag for one in connectors if (tag := _tag(one))),
        power_w=sum(one.meter.power_w for one in connectors),
        session_wh=sum(session_wh(one) for one in connectors),
        delivered_wh=delivered_wh(charger),
        soc=_soc(charger),
        messages=charger.tally.sent + charger.served,
        errors=failures(charger.tally),
        quirks=charger.spec.quirks,
    )


def session_wh(connector: Connector) -> int:
    """Return the energy of the connector's running transaction, in whole Wh; 0 if there is none."""
    transaction = connector.transaction
    return shown_wh(connector.meter.register_wh) - transaction.true_start_wh if transaction else 0


def delivered_wh(charger: State) -> int:
    """Return the true energy of all the charger's transactions, in whole Wh."""
    ended = sum(entry.energy_wh for entry in charger.ledger if entry.is_ended)
    return ended + sum(session_wh(connector) for connector in charger.connectors)


def failures(tally: Tally) -> int:
    """Return the number of the charger's calls without a usable response."""
    return tally.refused + tally.unanswered + tally.unreadable


def _share(at: float, seconds: float | None) -> float:
    return min(1.0, at / seconds) if seconds else 0.0


def _link(charger: State) -> str:
    if not charger.is_on:
        return "off"
    if charger.is_offline:
        return "away"
    if not charger.is_linked:
        return "down"
    return "up" if charger.may_send else "boot"


def _tag(connector: Connector) -> str:
    """The tag that is charging, or waits for the cable."""
    if connector.transaction is not None:
        return connector.transaction.id_tag
    return connector.tag[0] if connector.tag else ""


def _soc(charger: State) -> float | None:
    if charger.spec.power_type != DC:
        return None
    known = (connector.meter.soc for connector in charger.connectors)
    return max((soc for soc in known if soc is not None), default=None)

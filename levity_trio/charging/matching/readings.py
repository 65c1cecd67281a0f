"""Match readings to their transaction, by choosing among candidates that the store selects."""

from __future__ import annotations

from typing import NamedTuple

from levity_trio.charging import tolerances
from levity_trio.charging.lifecycle import State
from levity_trio.charging.sent.power import HOUR


class Covering(NamedTuple):
    """A transaction to which readings may belong; `ended` is None while it is open.

    `reported_id` is the charger's ID of the transaction in the previous reading; None if there was
    none, or if it is unknown.
    """

    id: int
    state: State
    ended: float | None
    reported_id: int | None = None
    was_idle: bool = False
    """Its connector had no transaction after a boot, since its last reading."""


def match_readings(
    at: float, named: Covering | None, newest: Covering | None, reported: int | None = None
) -> int | None:
    """Return the transaction of readings of one time: the one that they name, or else the newest
    that ran then.

    `named` is None if the named transaction is not their charger's; `newest` is on their connector.
    `reported` is an ID that this server did not assign. Readings with another such ID belong to
    another transaction, of which nothing else is known. So do those that follow a boot and an idle
    connector, unless they have the ID of the reading before these.
    """
    running = None
    if newest is not None and (newest.ended is None or at <= newest.ended):
        is_other = reported is not None and reported != newest.reported_id
        # A charger has one ID of its own for each transaction.
        if not is_other or (newest.reported_id is None and not newest.was_idle):
            running = newest.id
    if named is None:
        return running

    # The ID of a transaction that its charger stopped before may be stale.
    is_ended = named.ended is not None and named.ended < at
    if running is not None and named.state is State.STOPPED and is_ended:
        return running
    return named.id


class Reached(NamedTuple):
    """What a transaction's register had reached before a reading, in Wh: its start and its last
    reading as sent, how many seconds ago, and the transactionId of that."""

    id: int
    start_wh: int | None
    last_wh: int | None
    seconds: float
    name: int | None

    def showed_other(self, wh: int | None) -> bool:
        """Whether its own reading of the same time, which names it, shows another register."""
        return self.seconds == 0 and self.name == self.id and self.last_wh != wh


def is_of_named(
    wh: int | None, named: Reached, there: Reached | None, *, is_connector_told: bool = False
) -> bool:
    """Whether a reading belongs to the transaction that it names, though it has the connector of
    another one.

    `there` is the one that runs on that connector, if any. If the charger tells its connectors
    apart (`is_connector_told`), or if the last reading of `there` had the same id, the charger
    confused two ids. If that of the named one had it, the id is right and the connector wrong.
    """
    if there is not None and there.name == named.id:
        return False
    rise, rise_there = _rise(wh, named), None
    if there is not None and not there.showed_other(wh):
        rise_there = _rise(wh, there)
    if is_connector_told:
        return rise is not None and rise_there is None

    is_id_right = named.name == named.id
    if wh is None:
        return is_id_right
    if rise is None:
        return False
    # A first such reading belongs to the transaction whose register is nearer.
    return is_id_right or rise_there is None or rise <= rise_there


def _rise(wh: int | None, reached: Reached) -> int | None:
    """Return the rise of a register up to a reading in Wh; None if it cannot belong there."""
    if wh is None:
        return None
    base = reached.last_wh
    if base is None:
        base = reached.start_wh or 0
        # The first reading of a transaction may count from 0.
        if wh < base:
            base = 0
    rise = wh - base
    seconds = max(0.0, reached.seconds) + tolerances.CLOCK_SECONDS
    return rise if 0 <= rise <= tolerances.FASTEST_W * seconds / HOUR else None

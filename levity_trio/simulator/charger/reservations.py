"""Connectors that are kept for somebody (§3.11, §5.13), as a charger remembers them over a power cut.

A reservation of connector 0 keeps no connector in particular, but sees to it that one stays free. Which answer a
ReserveNow gets is decided by the operation, which knows the states of the connectors; here is what was promised, and
to whom. What has expired no longer counts, whether or not `expire` has been called since.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from levity_trio.simulator.charger.tags import is_same

ANY_CONNECTOR: Final = 0


@dataclass(frozen=True, slots=True)
class Reservation:
    """One promise, until `expiry`; connector 0 is any."""

    id: int
    connector: int
    expiry: datetime
    id_tag: str
    parent_id_tag: str | None

    def is_for(self, id_tag: str, parent_id_tag: str | None) -> bool:
        """Whether this tag, or its group, may use it. A parent is compared with a parent only (§3.10)."""
        return is_same(self.id_tag, id_tag) or is_same(self.parent_id_tag, parent_id_tag)


class Reservations:
    """The reservations of one charger, altered in place in its memory (`store`, by reservationId)."""

    __slots__ = ("_connectors", "_store")

    def __init__(self, store: dict[str, dict[str, Any]], connectors: int) -> None:
        self._store = store
        self._connectors = connectors

    def reserve(
        self,
        reservation_id: int,
        connector: int,
        expiry: datetime,
        id_tag: str,
        parent_id_tag: str | None,
        now: datetime,
    ) -> bool:
        """Reserve; True if it replaces one of that id that was still in force.

        Raises ValueError for a connector that the charger does not have, or that another reservation holds.
        """
        if not 0 <= connector <= self._connectors:
            raise ValueError(f"connector {connector}: give 0 to {self._connectors}")
        if self.is_held(connector, reservation_id, now):
            raise ValueError(f"connector {connector} is reserved already")
        replaced = any(one.id == reservation_id for one in self._in_force(now))
        self._store[str(reservation_id)] = {
            "connector": connector,
            "expiry": expiry.isoformat(),
            "idTag": id_tag,
            "parentIdTag": parent_id_tag or None,
        }
        return replaced

    def cancel(self, reservation_id: int) -> bool:
        """Take one back; False if there is none of that id (§5.1)."""
        return self._store.pop(str(reservation_id), None) is not None

    def on(self, connector: int, now: datetime) -> Reservation | None:
        """The reservation of that very connector; of connector 0 the one that expires first."""
        return min(self._of(connector, now), key=lambda one: one.expiry, default=None)

    def is_held(self, connector: int, reservation_id: int, now: datetime) -> bool:
        """Whether a reservation of another id holds that connector: Occupied (§5.13). Nobody holds connector 0."""
        return connector != ANY_CONNECTOR and any(one.id != reservation_id for one in self._of(connector, now))

    def has_room(self, connector: int, reservation_id: int, now: datetime, free: int) -> bool:
        """Whether a new reservation, or a new one of that id, leaves what was promised to others; else Occupied.

        `free` counts the connectors that are Available; one Reserved for that very id is free for it as well.
        """
        in_force = self._in_force(now)
        own = sum(one.id == reservation_id and one.connector != ANY_CONNECTOR for one in in_force)
        floating = sum(one.id != reservation_id and one.connector == ANY_CONNECTOR for one in in_force)
        return floating < free + own and not self.is_held(connector, reservation_id, now)

    def floating(self, now: datetime) -> int:
        """How many connectors have to stay free for reservations of connector 0."""
        return len(self._of(ANY_CONNECTOR, now))

    def may_start(self, connector: int, id_tag: str, parent_id_tag: str | None, now: datetime, free: int) -> bool:
        """Whether a tag may start on a connector: not where another's is, nor where it would take the last one free.

        `free` counts the connectors that anybody could start on: operative, not occupied (but for this tag and its
        cable), without a reservation of their own; this one included.
        """
        held = self._of(connector, now)
        if held:
            return any(one.is_for(id_tag, parent_id_tag) for one in held)
        floating = self._of(ANY_CONNECTOR, now)
        return not floating or len(floating) < free or any(one.is_for(id_tag, parent_id_tag) for one in floating)

    def used(self, connector: int, id_tag: str, parent_id_tag: str | None, now: datetime) -> int | None:
        """End the reservation that a start on that connector makes use of; its id for StartTransaction (§4.8).

        One of the connector goes before one of connector 0, one of the tag before one of its group. The reserved tag
        on another connector ends nothing.
        """
        candidates = [
            one for one in self._of(connector, now) + self._of(ANY_CONNECTOR, now) if one.is_for(id_tag, parent_id_tag)
        ]
        best = min(candidates, key=lambda one: _preference(one, id_tag), default=None)
        if best is None:
            return None
        self.cancel(best.id)
        return best.id

    def expire(self, now: datetime) -> list[Reservation]:
        """End what has expired, and return it in the order of its expiry."""
        return self._end([one for one in self._all() if one.expiry <= now])

    def next_expiry(self) -> datetime | None:
        """When `expire` will have something to do; None without reservations."""
        return min((one.expiry for one in self._all()), default=None)

    def end_on(self, connector: int) -> list[Reservation]:
        """End what a connector that is Faulted or Unavailable cannot keep, and return it; with connector 0 all."""
        return self._end([one for one in self._all() if connector in (ANY_CONNECTOR, one.connector)])

    def _all(self) -> list[Reservation]:
        return [
            Reservation(
                id=int(reservation_id),
                connector=kept["connector"],
                expiry=datetime.fromisoformat(kept["expiry"]),
                id_tag=kept["idTag"],
                parent_id_tag=kept["parentIdTag"],
            )
            for reservation_id, kept in self._store.items()
        ]

    def _in_force(self, now: datetime) -> list[Reservation]:
        return [one for one in self._all() if one.expiry > now]

    def _of(self, connector: int, now: datetime) -> list[Reservation]:
        return [one for one in self._in_force(now) if one.connector == connector]

    def _end(self, ended: list[Reservation]) -> list[Reservation]:
        for one in ended:
            self.cancel(one.id)
        return sorted(ended, key=lambda one: one.expiry)


def _preference(one: Reservation, id_tag: str) -> tuple[bool, bool, datetime]:
    return one.connector == ANY_CONNECTOR, not is_same(one.id_tag, id_tag), one.expiry

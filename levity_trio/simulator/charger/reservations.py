"""The reservations of a charger (§3.11, §5.13), kept over power cuts.

A reservation of connector 0 keeps any one connector free. This module only stores reservations; the operation
`reserve_now` decides about a request, because it knows the statuses of the connectors. An expired reservation no longer
counts, even before `expire` is called.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from levity_trio.simulator.charger.tags import is_same

ANY_CONNECTOR: Final = 0


@dataclass(frozen=True, slots=True)
class Reservation:
    """One reservation; connector 0 means any one."""

    id: int
    connector: int
    expiry: datetime
    id_tag: str
    parent_id_tag: str | None

    def is_for(self, id_tag: str, parent_id_tag: str | None) -> bool:
        """Return whether this tag or its group may use it. A parent is compared with parents only (§3.10)."""
        return is_same(self.id_tag, id_tag) or is_same(self.parent_id_tag, parent_id_tag)


class Reservations:
    """The reservations of one charger. `store` is its memory of them by reservationId, modified in place."""

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
        """Reserve a connector. Return True if this replaces a reservation of the same id that was still in force.

        Raises ValueError for an unknown connector, or one with another reservation.
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
        """Cancel a reservation. Return False if there is none of this id (§5.1)."""
        return self._store.pop(str(reservation_id), None) is not None

    def on(self, connector: int, now: datetime) -> Reservation | None:
        """Return the reservation of exactly this connector; of several for connector 0, the first to expire."""
        return min(self._of(connector, now), key=lambda one: one.expiry, default=None)

    def is_held(self, connector: int, reservation_id: int, now: datetime) -> bool:
        """Return whether another reservation holds the connector: Occupied (§5.13). Connector 0 is never held."""
        return connector != ANY_CONNECTOR and any(one.id != reservation_id for one in self._of(connector, now))

    def has_room(self, connector: int, reservation_id: int, now: datetime, free: int) -> bool:
        """Return whether a reservation with this id leaves enough free connectors for the others; if not, Occupied.

        `free` is the number of Available connectors. The connector reserved under the same id counts as free too.
        """
        in_force = self._in_force(now)
        own = sum(one.id == reservation_id and one.connector != ANY_CONNECTOR for one in in_force)
        floating = sum(one.id != reservation_id and one.connector == ANY_CONNECTOR for one in in_force)
        return floating < free + own and not self.is_held(connector, reservation_id, now)

    def floating(self, now: datetime) -> int:
        """Return how many connectors must stay free for reservations of connector 0."""
        return len(self._of(ANY_CONNECTOR, now))

    def may_start(self, connector: int, id_tag: str, parent_id_tag: str | None, now: datetime, free: int) -> bool:
        """Return whether a tag may start on a connector.

        It may not if the connector is reserved for another tag, or is the last free one for reservations of connector
        0. `free` is the number of connectors open to anybody, this one included: operative, without a reservation of
        their own, and occupied by nothing but this tag and its cable.
        """
        held = self._of(connector, now)
        if held:
            return any(one.is_for(id_tag, parent_id_tag) for one in held)
        floating = self._of(ANY_CONNECTOR, now)
        return not floating or len(floating) < free or any(one.is_for(id_tag, parent_id_tag) for one in floating)

    def used(self, connector: int, id_tag: str, parent_id_tag: str | None, now: datetime) -> int | None:
        """End the reservation that a start on this connector uses, and return its id for StartTransaction (§4.8).

        A reservation of the connector comes before one of connector 0, one of the tag before one of its group. A start
        of the reserved tag on another connector ends nothing.
        """
        candidates = [
            one for one in self._of(connector, now) + self._of(ANY_CONNECTOR, now) if one.is_for(id_tag, parent_id_tag)
        ]
        best = min(
            candidates,
            key=lambda kept: (kept.connector == ANY_CONNECTOR, not is_same(kept.id_tag, id_tag), kept.expiry),
            default=None,
        )
        if best is None:
            return None
        self.cancel(best.id)
        return best.id

    def expire(self, now: datetime) -> list[Reservation]:
        """End the expired reservations, and return them in order of expiry."""
        return self._end([one for one in self._all() if one.expiry <= now])

    def next_expiry(self) -> datetime | None:
        """Return when the next reservation expires; None if there is none."""
        return min((one.expiry for one in self._all()), default=None)

    def end_on(self, connector: int) -> list[Reservation]:
        """End and return the reservations of a Faulted or Unavailable connector; for connector 0, all of them."""
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

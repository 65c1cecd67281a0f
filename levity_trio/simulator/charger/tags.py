"""The tags that may charge: the local authorization list, the cache (§3.5) and the reservations
(§3.11, §5.13).

List and cache map a tag to its `idTagInfo` as on the wire. Only the central system changes the list
(§5.15), which takes precedence over the cache. The cache holds the latest response for each tag
that is not in the list, accepted or not. Tags and parents are compared without regard to case
(CiString20Type), so the keys of both are `folded`.

A reservation of connector 0 keeps any one connector free. This module only stores reservations; the
operation `reserve_now` decides about a request, because it knows the statuses of the connectors. An
expired reservation no longer counts, even before `expire` is called.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from levity_trio.records import record
from levity_trio.simulator.charger.configuration import Configuration
from levity_trio.wire.times import parse_time

IdTagInfo = dict[str, Any]

MAX_CACHE: Final = 200
"""Maximum number of tags in the cache. OCPP 1.6 has no key for it."""
NOT_SUPPORTED_VERSION: Final = -1
_FULL: Final = "Full"
_VALID: Final = ("Accepted", "ConcurrentTx")
ANY_CONNECTOR: Final = 0


class TagMemory(Protocol):
    """What is kept of tags. The version is that of the present list, 0 if the list is empty
    (§5.10)."""

    local_list_version: int
    local_list: dict[str, IdTagInfo]
    cache: dict[str, IdTagInfo]


def folded(tag: str) -> str:
    """Return a tag in the form used for comparison."""
    return tag.casefold()


def is_same(one: str | None, other: str | None) -> bool:
    """Return whether two tags or two parents are equal; None equals nothing."""
    return one is not None and other is not None and folded(one) == folded(other)


@dataclass(slots=True)
class Tags:
    """The local list and the cache of one charger, modified in place in its memory."""

    _memory: TagMemory
    _configuration: Configuration

    def decide(self, tag: str, now: datetime) -> str | None:
        """Return the AuthorizationStatus of a tag from the list, then from the cache; None if it is
        unknown.

        A valid tag after its expiryDate is Expired (§3.5.1), even where an unknown tag would be
        allowed (§3.5.4).
        """
        entry = self._entry(tag)
        if entry is None:
            return None
        status: str = entry["status"]
        expiry = parse_time(entry.get("expiryDate") or "")
        return "Expired" if status in _VALID and expiry is not None and expiry <= now else status

    def parent(self, tag: str) -> str | None:
        """Return the tag's group (parentIdTag), if known."""
        entry = self._entry(tag)
        return (entry.get("parentIdTag") or None) if entry else None

    def is_same_group(self, tag: str, other: str) -> bool:
        """Return whether one tag may stop the other's transaction: the same tag or the same parent
        (§3.10)."""
        return is_same(tag, other) or is_same(self.parent(tag), self.parent(other))

    def learn(self, tag: str, id_tag_info: Mapping[str, Any]) -> None:
        """Store an idTagInfo in the cache, unless the tag is in the list (§3.5.3)."""
        cache, key = self._memory.cache, folded(tag)
        if not self._is_cache_on or key in self._list():
            return
        cache.pop(key, None)  # so that the latest response is the last entry
        if len(cache) >= MAX_CACHE:
            # All entries that are not valid make room, or else the oldest (§3.5.1).
            refused = [old for old, entry in cache.items() if entry["status"] not in _VALID]
            for old in refused or [next(iter(cache))]:
                del cache[old]
        cache[key] = dict(id_tag_info)

    def clear_cache(self) -> str:
        """ClearCache (§5.4): Accepted, or Rejected if the cache is disabled."""
        if not self._is_cache_on:
            return "Rejected"
        self._memory.cache.clear()
        return "Accepted"

    @property
    def version(self) -> int:
        """For GetLocalListVersion (§5.10): 0 for an empty list, -1 if the list is disabled."""
        return self._memory.local_list_version if self._is_list_on else NOT_SUPPORTED_VERSION

    def update(
        self, version: int, update_type: str, entries: Sequence[Mapping[str, Any]] | None
    ) -> str:
        """SendLocalList (§5.15, §7.47), applied as a whole or not at all. `entries` are
        AuthorizationData in wire form.

        Accepted, Failed, NotSupported, or VersionMismatch for a Differential that is not above the
        list's version.
        """
        if not self._is_list_on:
            return "NotSupported"
        is_full, most = update_type == _FULL, self._configuration.integer
        if not is_full and version <= self.version:
            return "VersionMismatch"
        changes = {folded(entry["idTag"]): entry.get("idTagInfo") for entry in entries or ()}
        # none deletes the tag (§7.1), and is not allowed when the update is Full
        kept = {} if is_full else self._memory.local_list
        updated = {key: dict(info) for key, info in {**kept, **changes}.items() if info}
        if (
            len(changes) < len(entries or ())
            or len(changes) > most("SendLocalListMaxLength")
            or len(updated) > most("LocalAuthListMaxLength")
            or (is_full and not all(changes.values()))
            or (updated and version < 1)  # version 0 means an empty list
        ):
            return "Failed"
        self._memory.local_list.clear()
        self._memory.local_list.update(updated)
        self._memory.local_list_version = version if updated else 0
        for key in updated.keys() & self._memory.cache.keys():
            del self._memory.cache[key]
        return "Accepted"

    @property
    def _is_list_on(self) -> bool:
        return self._configuration.boolean("LocalAuthListEnabled")

    @property
    def _is_cache_on(self) -> bool:
        return self._configuration.boolean("AuthorizationCacheEnabled")

    def _list(self) -> Mapping[str, IdTagInfo]:
        return self._memory.local_list if self._is_list_on else {}

    def _entry(self, tag: str) -> IdTagInfo | None:
        key = folded(tag)
        entry = self._list().get(key)
        return self._memory.cache.get(key) if entry is None and self._is_cache_on else entry


@record(kw_only=False)
class Reservation:
    """One reservation; connector 0 means any one."""

    id: int
    connector: int
    expiry: datetime
    id_tag: str
    parent_id_tag: str | None

    def is_for(self, id_tag: str, parent_id_tag: str | None) -> bool:
        """Return whether this tag or its group may use it. A parent is compared with parents only
        (§3.10)."""
        return is_same(self.id_tag, id_tag) or is_same(self.parent_id_tag, parent_id_tag)


@dataclass(slots=True)
class Reservations:
    """The reservations of one charger. `store` is its memory of them by reservationId, modified in
    place."""

    _store: dict[str, dict[str, Any]]
    _connectors: int

    def reserve(
        self,
        reservation_id: int,
        connector: int,
        expiry: datetime,
        id_tag: str,
        parent_id_tag: str | None,
        now: datetime,
    ) -> bool:
        """Reserve a connector. Return True if this replaces a reservation of the same id that was
        still in force.

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
        """Return the reservation of exactly this connector; of several for connector 0, the first
        to expire."""
        return min(self._of(connector, now), key=lambda one: one.expiry, default=None)

    def is_held(self, connector: int, reservation_id: int, now: datetime) -> bool:
        """Return whether another reservation holds the connector: Occupied (§5.13). Connector 0 is
        never held."""
        return connector != ANY_CONNECTOR and any(
            one.id != reservation_id for one in self._of(connector, now)
        )

    def has_room(self, connector: int, reservation_id: int, now: datetime, free: int) -> bool:
        """Return whether a reservation with this id leaves enough free connectors for the others;
        if not, Occupied.

        `free` is the number of Available connectors. The connector reserved under the same id
        counts as free too.
        """
        in_force = self._in_force(now)
        own = sum(one.id == reservation_id and one.connector != ANY_CONNECTOR for one in in_force)
        floating = sum(
            one.id != reservation_id and one.connector == ANY_CONNECTOR for one in in_force
        )
        return floating < free + own and not self.is_held(connector, reservation_id, now)

    def may_start(
        self, connector: int, id_tag: str, parent_id_tag: str | None, now: datetime, free: int
    ) -> bool:
        """Return whether a tag may start on a connector.

        It may not if the connector is reserved for another tag, or is the last free one for
        reservations of connector 0. `free` is the number of connectors open to anybody, this one
        included: operative, without a reservation of their own, and occupied by nothing but this
        tag and its cable.
        """
        held = self._of(connector, now)
        if held:
            return any(one.is_for(id_tag, parent_id_tag) for one in held)
        floating = self._of(ANY_CONNECTOR, now)
        return (
            not floating
            or len(floating) < free
            or any(one.is_for(id_tag, parent_id_tag) for one in floating)
        )

    def used(
        self, connector: int, id_tag: str, parent_id_tag: str | None, now: datetime
    ) -> int | None:
        """End the reservation that a start on this connector uses, and return its id for
        StartTransaction (§4.8).

        A reservation of the connector comes before one of connector 0, one of the tag before one of
        its group. A start of the reserved tag on another connector ends nothing.
        """
        candidates = [
            one
            for one in self._of(connector, now) + self._of(ANY_CONNECTOR, now)
            if one.is_for(id_tag, parent_id_tag)
        ]
        best = min(
            candidates,
            key=lambda kept: (
                kept.connector == ANY_CONNECTOR,
                not is_same(kept.id_tag, id_tag),
                kept.expiry,
            ),
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
        return min((one.expiry for one in self._all()), default=None)

    def end_on(self, connector: int) -> list[Reservation]:
        """End and return the reservations of a Faulted or Unavailable connector; for connector 0,
        all of them."""
        return self._end(
            [one for one in self._all() if connector in (ANY_CONNECTOR, one.connector)]
        )

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

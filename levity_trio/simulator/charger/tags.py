"""The local authorization list and the authorization cache of a charger (§3.5).

Both map a tag to its `idTagInfo` as on the wire. Only the central system changes the list (§5.15), which takes
precedence over the cache. The cache holds the latest response for each tag that is not in the list, accepted or not.
Tags and parents are compared without regard to case (CiString20Type), so the keys of both are `folded`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Protocol

from levity_trio.simulator.charger.configuration import Configuration
from levity_trio.wire.times import parse_time

IdTagInfo = dict[str, Any]

MAX_CACHE: Final = 200
"""Maximum number of tags in the cache. OCPP 1.6 has no key for it."""
NOT_SUPPORTED_VERSION: Final = -1
_FULL: Final = "Full"
_VALID: Final = ("Accepted", "ConcurrentTx")


class TagMemory(Protocol):
    """What is kept of tags. The version is that of the present list, 0 if the list is empty (§5.10)."""

    local_list_version: int
    local_list: dict[str, IdTagInfo]
    cache: dict[str, IdTagInfo]


def folded(tag: str) -> str:
    """Return a tag in the form used for comparison."""
    return tag.casefold()


def is_same(one: str | None, other: str | None) -> bool:
    """Return whether two tags or two parents are equal; None equals nothing."""
    return one is not None and other is not None and folded(one) == folded(other)


class Tags:
    """The local list and the cache of one charger, modified in place in its memory."""

    __slots__ = ("_configuration", "_memory")

    def __init__(self, memory: TagMemory, configuration: Configuration) -> None:
        self._memory = memory
        self._configuration = configuration

    def decide(self, tag: str, now: datetime) -> str | None:
        """Return the AuthorizationStatus of a tag from the list, then from the cache; None if it is unknown.

        A valid tag after its expiryDate is Expired (§3.5.1), even where an unknown tag would be allowed (§3.5.4).
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
        """Return whether one tag may stop the other's transaction: the same tag or the same parent (§3.10)."""
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

    def update(self, version: int, update_type: str, entries: Sequence[Mapping[str, Any]] | None) -> str:
        """SendLocalList (§5.15, §7.47), applied as a whole or not at all. `entries` are AuthorizationData in wire form.

        Accepted, Failed, NotSupported, or VersionMismatch for a Differential that is not above the list's version.
        """
        if not self._is_list_on:
            return "NotSupported"
        if update_type != _FULL and version <= self.version:
            return "VersionMismatch"
        updated = self._updated(update_type, entries or ())
        if updated is None or (updated and version < 1):  # version 0 means an empty list
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

    def _updated(self, update_type: str, entries: Sequence[Mapping[str, Any]]) -> dict[str, IdTagInfo] | None:
        """Return the updated list; None if the update is not allowed."""
        changes = {folded(entry["idTag"]): entry.get("idTagInfo") for entry in entries}
        is_full = update_type == _FULL
        if len(changes) < len(entries) or len(entries) > self._configuration.integer("SendLocalListMaxLength"):
            return None
        if is_full and not all(changes.values()):  # §7.1: required when the update is Full
            return None
        kept = {} if is_full else {key: info for key, info in self._memory.local_list.items() if key not in changes}
        updated = kept | {key: dict(info) for key, info in changes.items() if info}  # none deletes the tag (§7.1)
        return updated if len(updated) <= self._configuration.integer("LocalAuthListMaxLength") else None

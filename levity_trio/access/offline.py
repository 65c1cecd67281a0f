"""Who can charge while a charger has no connection to us, by its configuration (OCPP 1.6 §3.5, §9.1
and §9.2).

A charger knows a tag by its local list or by its cache, and the list goes before the cache
(§3.5.3). A tag that it knows may charge if it is Accepted and LocalAuthorizeOffline is true. A tag
that it does not know may charge if AllowOfflineTxForUnknownId is true (§3.5.4). Where a list or a
cache is off, its tags are not known.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from levity_trio.records import record
from levity_trio.told import Told

OFFLINE: Final = "LocalAuthorizeOffline"
PRE_AUTHORIZE: Final = "LocalPreAuthorize"
UNKNOWN_TAGS: Final = "AllowOfflineTxForUnknownId"
STOP_INVALID: Final = "StopTransactionOnInvalidId"
CACHE: Final = "AuthorizationCacheEnabled"
LIST: Final = "LocalAuthListEnabled"
KEYS: Final = (OFFLINE, PRE_AUTHORIZE, UNKNOWN_TAGS, STOP_INVALID, CACHE, LIST)
OPTIONAL: Final = frozenset({UNKNOWN_TAGS, CACHE, LIST})
"""Keys without which a charger lacks the feature itself (§9.1, §9.2); the others are required."""


class Switch(StrEnum):
    """What is known of a key: its value, that the charger does not have it, or nothing."""

    ON = "true"
    OFF = "false"
    NOT_SUPPORTED = "not supported"
    NOT_KNOWN = "not known"


class Permission(StrEnum):
    """Whether a tag can charge."""

    YES = "yes"
    NO = "no"
    NOT_KNOWN = "not known"


@record
class OfflineTags:
    """Some tags, whether they can charge without us, and why."""

    tags: str
    may_charge: Permission
    why: str


@record
class Explanation:
    """Who can charge without us, and what else follows from the keys."""

    who: tuple[OfflineTags, ...]
    notes: tuple[str, ...]


def switch(value: str | None, *, is_known: bool) -> Switch:
    """Read what a charger told of a key; `is_known` is false where it says that it does not have
    the key."""
    if not is_known:
        return Switch.NOT_SUPPORTED
    word = (value or "").strip().casefold()
    return Switch(word) if word in (Switch.ON, Switch.OFF) else Switch.NOT_KNOWN


def may_start(keys: Mapping[str, str | None]) -> bool:
    """Whether some tag can charge without us at a charger that told all of its keys, or nobody
    knows that."""
    known = {key: switch(keys.get(key), is_known=key in keys) for key in KEYS}
    return any(one.may_charge is not Permission.NO for one in explain(known).who)


def explain(keys: Mapping[str, Switch]) -> Explanation:
    """Say who can charge at a charger with these keys while we are away. A key that is missing is
    not known."""
    policy = _Policy({key: keys.get(key, Switch.NOT_KNOWN) for key in KEYS})
    return Explanation(who=(*policy.who(),), notes=(*policy.notes(),))


class _Policy:
    def __init__(self, keys: Mapping[str, Switch]) -> None:
        self._keys = keys

    def who(self) -> list[OfflineTags]:
        """Return each kind of tag, from those that the charger knows best to strangers."""
        return [
            self._kept(LIST, Told("accepted in the local list"), self._of_known()),
            self._kept(
                LIST,
                Told("blocked or expired in the local list"),
                (Permission.NO, Told("the charger refuses them")),
            ),
            self._kept(
                CACHE, Told("not in the list, last accepted by us (the cache)"), self._of_known()
            ),
            OfflineTags(
                tags=Told("all others"),
                may_charge=self._of_strangers()[0],
                why=self._of_strangers()[1],
            ),
        ]

    def _kept(self, key: str, tags: str, if_on: tuple[Permission, str]) -> OfflineTags:
        """Judge tags that a list or a cache holds: while that is off, they are strangers to the
        charger."""
        state, strangers = self._keys[key], self._of_strangers()
        if _is_on(state) is True:
            may, why = if_on
        elif _is_on(state) is False:
            may, why = (
                strangers[0],
                Told("{1}, so they are strangers: {2}", _told(key, state), strangers[1]),
            )
        elif if_on[0] is strangers[0]:
            may, why = strangers[0], Told("{1}, but that makes no difference", _told(key, state))
        else:
            may, why = Permission.NOT_KNOWN, _told(key, state)
        return OfflineTags(tags=tags, may_charge=may, why=why)

    def _of_known(self) -> tuple[Permission, str]:
        """Judge an accepted tag that the charger knows."""
        told = _told(OFFLINE, self._keys[OFFLINE])
        return {True: Permission.YES, False: Permission.NO, None: Permission.NOT_KNOWN}[
            _is_on(self._keys[OFFLINE], OFFLINE)
        ], told

    def _of_strangers(self) -> tuple[Permission, str]:
        told = _told(UNKNOWN_TAGS, self._keys[UNKNOWN_TAGS])
        return {True: Permission.YES, False: Permission.NO, None: Permission.NOT_KNOWN}[
            _is_on(self._keys[UNKNOWN_TAGS])
        ], told

    def notes(self) -> list[str]:
        """Return what follows for tags that we refuse, and what is missing."""
        keys, notes = self._keys, []
        if self._of_strangers()[0] is not Permission.NO:
            notes.append(_REFUSED_LATER[_is_on(keys[STOP_INVALID], STOP_INVALID)])
        if keys[UNKNOWN_TAGS] is Switch.ON and keys[OFFLINE] is Switch.OFF:
            notes.append(
                Told(
                    "{1} is false and {2} is true: some chargers then refuse everyone",
                    OFFLINE,
                    UNKNOWN_TAGS,
                )
            )
        if keys[PRE_AUTHORIZE] is Switch.ON:
            notes.append(_AT_ONCE)
        if missing := [key for key in KEYS if keys[key] is Switch.NOT_KNOWN]:
            notes.append(
                Told("not known, read the configuration of the charger: {1}", ", ".join(missing))
            )
        return notes


_REFUSED_LATER: Final[Mapping[bool | None, str]] = {
    True: Told(
        "{1} is true: when the charger is back and we refuse the card, it ends the session; the "
        "energy until then is stored",
        STOP_INVALID,
    ),
    False: Told(
        "{1} is false: a session whose card we refuse afterwards goes on until the car leaves, "
        "with no more energy than MaxEnergyOnInvalidId allows",
        STOP_INVALID,
    ),
    None: Told(
        "{1} is not known: a session whose card we refuse afterwards may go on", STOP_INVALID
    ),
}
_AT_ONCE: Final = Told(
    "{1} is true: while connected, too, a card of the list or the cache starts without asking us, "
    "so one that was blocked may start until the charger has the new list",
    PRE_AUTHORIZE,
)


def _is_on(state: Switch, key: str = "") -> bool | None:
    """Return whether a key is true, None where that is not known. A charger must have a key that is
    not optional."""
    if state is Switch.NOT_SUPPORTED:
        return None if key and key not in OPTIONAL else False
    return {Switch.ON: True, Switch.OFF: False}.get(state)


def _told(key: str, state: Switch) -> str:
    if state is Switch.NOT_SUPPORTED:
        return Told("{1}: not supported", key)
    if state is Switch.NOT_KNOWN:
        return Told("{1}: not known", key)
    return Told("{1} is true", key) if state is Switch.ON else Told("{1} is false", key)

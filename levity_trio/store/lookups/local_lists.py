"""The local lists as stored: what is known of a charger's list, and what it should be.

Used by writes, which decide, and by reads, which show.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import orjson

from levity_trio.access.local_lists import (
    PROFILES,
    Entry,
    Known,
    Sent,
    Wanted,
    entry,
    refused,
    wanted,
)
from levity_trio.access.places import ACCOUNT, TAG, Card, Places, card, refusal
from levity_trio.access.tags import Policy
from levity_trio.store.engine.database import Rows
from levity_trio.store.lookups import places
from levity_trio.store.lookups.places import PARENT
from levity_trio.told import of_stored, stored
from levity_trio.wire.times import stamp

_UPKEEP: Final = (
    "SELECT version, content, highest_version, is_verified, told_at, limits_asked_at, "
    "sent_version, sent_content, failures, failing_since, retry_at, problem, paused_at "
    "FROM local_list_kept WHERE cp_id = ?"
)
_LIMIT: Final = (
    "SELECT value, is_known FROM configuration WHERE cp_id = ? AND key = ? ORDER BY id DESC LIMIT 1"
)
_TAGS: Final = (
    f"SELECT key, id_tag, status, expires_at, {PARENT} "  # noqa: S608
    "FROM tag INDEXED BY tag_key WHERE ended_at IS NULL AND is_phone = 0 "
    "ORDER BY (SELECT min(id) FROM tag AS first WHERE first.key = tag.key)"
)
_OWNED: Final = (
    "SELECT key, account_id, since, coalesce(until, '9999') "
    "FROM ownership WHERE what = 'tag' AND voided_at IS NULL"
)
LONGEST_LIMIT: Final = 9
"""Digits of a limit; a charger that tells a longer number has none that matters."""


class ListLimits(NamedTuple):
    """How many entries a charger takes in one message and in all, None if it has not told; whether
    it was asked, and whether it told that it keeps no list."""

    at_once: int | None
    in_all: int | None
    are_told: bool
    lacks_profile: bool


def known(rows: Rows, charger: str) -> Known | None:
    """Return what is known of the list of a charger, None if it was never looked after."""
    kept = rows(_UPKEEP, (charger,))
    if not kept:
        return None
    version, content, highest, is_verified, told_at, limits_asked_at, sent_version, sent_content = (
        kept[0][:8]
    )
    failures, failing_since, retry_at, problem, paused_at = kept[0][8:]
    return Known(
        version=version,
        content=None if content is None else orjson.loads(content),
        highest=highest,
        is_verified=bool(is_verified),
        told_at=_moment(told_at),
        limits_asked_at=_moment(limits_asked_at),
        sent=None if sent_version is None else Sent(sent_version, orjson.loads(sent_content)),
        failures=failures,
        failing_since=_moment(failing_since),
        retry_at=_moment(retry_at),
        problem=of_stored(problem),
        is_paused=paused_at is not None,
    )


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def columns(known: Known) -> dict[str, object]:
    """Return what is known as the columns of the table."""
    content, sent = known.content, known.sent
    return {
        "version": known.version,
        "content": None if content is None else orjson.dumps(content).decode(),
        "highest_version": known.highest,
        "is_verified": known.is_verified,
        "told_at": known.told_at and stamp(known.told_at),
        "limits_asked_at": known.limits_asked_at and stamp(known.limits_asked_at),
        "sent_version": sent and sent.version,
        "sent_content": None if sent is None else orjson.dumps(sent.content).decode(),
        "failures": known.failures,
        "failing_since": known.failing_since and stamp(known.failing_since),
        "retry_at": known.retry_at and stamp(known.retry_at),
        "problem": stored(known.problem),
    }


def limits(rows: Rows, charger: str) -> ListLimits:
    """Return the limits that a charger has told."""
    at_once, in_all, profiles = (
        rows(_LIMIT, (charger, key))
        for key in ("SendLocalListMaxLength", "LocalAuthListMaxLength", PROFILES)
    )
    told = f"{profiles[0][0] or ''}" if profiles else ""
    lacks_profile = bool(told) and "localauthlist" not in told.casefold()
    return ListLimits(_number(at_once), _number(in_all), bool(at_once or in_all), lacks_profile)


def _number(found: Sequence[tuple[Any, ...]]) -> int | None:
    text = (found[0][0] or "").strip() if found and found[0][1] else ""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= LONGEST_LIMIT else None


def booted_at(rows: Rows, charger: str) -> datetime | None:
    """Return when a charger last booted."""
    found = rows(
        "SELECT received_at FROM boot WHERE cp_id = ? ORDER BY received_at DESC LIMIT 1", (charger,)
    )
    return _moment(found[0][0]) if found else None


class Lists:
    """The tags as the chargers should list them at a time: Invalid where they may not charge."""

    def __init__(self, rows: Rows, policy: Policy, at: str) -> None:
        self._places, self._at = Places(), at
        self._places.load(places.spaces(rows), places.connectors(rows), places.limits(rows))
        withheld = {key for (key,) in rows(places.WITHHELD_KEYS, (at,))}
        now, given = dict[str, int](), set[str]()
        for key, account, since, until in rows(_OWNED, ()):
            given.add(key)
            if since <= at < until:
                now[key] = account
        self._tags: list[tuple[Card | None, Entry]] = []
        """Each with its card, if that may not charge everywhere."""
        for key, *tag in rows(_TAGS, (at,)):
            is_free = self._places.are_for_all or policy.is_own(key)
            card = None if is_free else self._card(key, now.get(key), is_given=key in given)
            self._tags.append((card, entry(*tag, now=at, is_withheld=key in withheld)))

    def _card(self, key: str, account: int | None, *, is_given: bool) -> Card:
        own, of_account = self._places.limit(TAG, key), self._places.limit(ACCOUNT, account)
        return card(account, own, of_account, is_known=True, is_given=is_given)

    def of(self, charger: str, most: int | None) -> Wanted:
        """Return the list for a charger with room for so many entries (None: any number)."""
        accounts = self._places.admitted(charger, None, self._at)
        return wanted(
            [
                one if card is None or refusal(card, charger, accounts) is None else refused(one)
                for card, one in self._tags
            ],
            most,
        )

"""What to send to a charger next, so that its local list becomes the one that we want (OCPP 1.6
§5.10, §5.15).

What a charger has is kept as it was sent. A list that arrives in parts is the first of its entries
after each of them, and so is one that was cut short because the charger has no room for all.

What a charger has is known only from its answers. After silence it is asked for the version, which
tells whether the last list arrived, because no two lists of a charger have the same version. A
version that is neither that one nor the one before means that the content is not known: then a Full
list is sent. A charger that keeps failing is tried again after pauses that double.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, NamedTuple

from levity_trio.access.tags import LOWER, Status
from levity_trio.records import record
from levity_trio.told import Told, joined
from levity_trio.wire.times import wire_time

ASKER: Final = "local list"
"""Who asks for the messages of the upkeep. No token can have this name, because it contains a
blank."""
SEND: Final = "SendLocalList"
ASK: Final = "GetLocalListVersion"
READ: Final = "GetConfiguration"
PROFILES: Final = "SupportedFeatureProfiles"
LIMIT_KEYS: Final = (
    "LocalAuthListEnabled",
    "LocalAuthListMaxLength",
    "SendLocalListMaxLength",
    PROFILES,
)
NOT_SUPPORTED: Final = -1
EMPTY: Final = 0
HIGHEST_VERSION: Final = 2**31 - 1
"""A charger may store the version in 32 bits. The next one after it is 1, of a Full list."""
USUAL_PART: Final = 100
"""Entries in one message to a charger that does not tell SendLocalListMaxLength."""
LARGEST_PART: Final = 500
"""Entries in one message at most: they take a few milliseconds of our loop, and a buffer of the
charger."""
MOST_HALVINGS: Final = 9
FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=6)
VERIFIED_FOR: Final = timedelta(days=1)
_NO_SUCH_ACTION: Final = frozenset({"NotImplemented", "NotSupported"})


Entry = dict[str, Any]
"""A tag as AuthorizationData (§7.1); without idTagInfo it is deleted from the list."""
Content = Mapping[str, Entry]
"""The entries of a list, by their tags in lower case."""


@record(kw_only=False)
class Wanted:
    """The list that a charger should have, and the entries for which it has no room."""

    content: Content
    left_out: Sequence[Entry] = ()


def wanted(entries: Sequence[Entry], most: int | None) -> Wanted:
    """Return the list for a charger with room for so many entries (None: for all); those that may
    charge go first."""
    ordered = sorted(entries, key=lambda one: one["idTagInfo"]["status"] != Status.ACCEPTED)
    most = len(ordered) if most is None else most
    return Wanted({folded(one["idTag"]): one for one in ordered[:most]}, ordered[most:])


def folded(id_tag: str) -> str:
    """Return a tag as chargers compare them."""
    return id_tag.strip().translate(LOWER)


def changes(have: Content, want: Content) -> list[Entry]:
    """Return the entries that make the one list out of the other: what goes, to make room, what
    changes, what comes."""
    gone: list[Entry] = [{"idTag": one["idTag"]} for tag, one in have.items() if tag not in want]
    changed = [one for tag, one in want.items() if tag in have and have[tag] != one]
    return [*gone, *changed, *(one for tag, one in want.items() if tag not in have)]


class Sent(NamedTuple):
    """A list that was sent, and what the charger has if it accepts it."""

    version: int
    content: Content


@record
class Known:
    """What is known of the list of a charger.

    `told_at` is when the charger last told anything about it, `is_verified` whether it told the
    version since the last list was sent. `sent` is a list of which it is not known whether it
    arrived. `highest` is the highest version that was sent or told.
    """

    version: int | None = None
    content: Content | None = None
    highest: int = 0
    is_verified: bool = False
    told_at: datetime | None = None
    limits_asked_at: datetime | None = None
    sent: Sent | None = None
    failures: int = 0
    failing_since: datetime | None = None
    retry_at: datetime | None = None
    problem: str | None = None
    is_paused: bool = False


@record
class Line:
    """The charger at present: whether it may be sent a list, whether one is under way, and when it
    booted last; `lacks_profile` is whether it told the profiles that it knows, without this one."""

    is_open: bool
    is_busy: bool = False
    has_told_limits: bool = True
    lacks_profile: bool = False
    booted_at: datetime | None = None


class State(StrEnum):
    """How the list of a charger is, for people."""

    UP_TO_DATE = "up to date"
    TOO_LONG = "too long"
    SENDING = "sending"
    WAITING = "waiting"
    PAUSED = "paused"
    NOT_SUPPORTED = "not supported"
    FAILING = "failing"


class Step(StrEnum):
    """What to send next."""

    LIMITS = "limits"
    VERSION = "version"
    FULL = "full"
    DIFFERENCE = "difference"


class Plan(NamedTuple):
    """How the list is and what is to be done now, if anything; `again_at` is when time alone
    changes that."""

    state: State
    step: Step | None = None
    again_at: datetime | None = None


def plan(known: Known, wanted: Wanted, line: Line, now: datetime) -> Plan:
    """Decide what to send to a charger."""
    if known.is_paused:
        return Plan(State.PAUSED)
    if line.lacks_profile and known.content is None:
        return Plan(State.NOT_SUPPORTED)
    step = _step(known, wanted, line, now)
    if step is None:
        again_at = None if known.told_at is None else known.told_at + VERIFIED_FOR
        return Plan(_resting(known, wanted), None, again_at)
    on_its_way = State.FAILING if known.failures > 1 else State.SENDING
    if line.is_busy:
        return Plan(on_its_way)
    if not line.is_open:
        return Plan(_resting(known, wanted) if _has_it(known, wanted) else State.WAITING)
    if known.retry_at is not None and now < known.retry_at:
        return Plan(on_its_way, None, known.retry_at)
    return Plan(on_its_way, step)


def _step(known: Known, wanted: Wanted, line: Line, now: datetime) -> Step | None:
    if not line.has_told_limits and known.limits_asked_at is None:
        return Step.LIMITS
    if known.version is None or known.sent is not None or _is_outdated(known, line, now):
        return Step.VERSION
    if known.version == NOT_SUPPORTED:
        return None
    if known.content is None:
        return Step.FULL if known.is_verified else Step.VERSION
    if known.content != wanted.content:
        is_many = len(changes(known.content, wanted.content)) > len(wanted.content)
        is_shorter = known.version in (EMPTY, HIGHEST_VERSION) or is_many
        return Step.FULL if is_shorter else Step.DIFFERENCE
    return None if known.is_verified else Step.VERSION


def _is_outdated(known: Known, line: Line, now: datetime) -> bool:
    """Whether the version was told before the last boot, which may have lost the list, or too long
    ago."""
    told_at = known.told_at
    if told_at is None:
        return True
    return (
        line.booted_at is not None and told_at < line.booted_at
    ) or now >= told_at + VERIFIED_FOR


def _has_it(known: Known, wanted: Wanted) -> bool:
    """Whether all that is missing is to ask again whether the charger still has the list, or still
    has none."""
    is_same = known.version == NOT_SUPPORTED or known.content == wanted.content
    return known.told_at is not None and known.sent is None and is_same


def _resting(known: Known, wanted: Wanted) -> State:
    if known.version == NOT_SUPPORTED:
        return State.NOT_SUPPORTED
    return State.TOO_LONG if wanted.left_out else State.UP_TO_DATE


def next_version(known: Known) -> int:
    """Return the version of the next list: no earlier one had it."""
    return known.highest + 1 if known.highest < HIGHEST_VERSION else 1


def part_size(at_once: int | None, failures: int) -> int:
    """Return how many entries the next message may have: half as many after each failure, down to
    one."""
    return max(1, min(at_once or USUAL_PART, LARGEST_PART) >> min(failures, MOST_HALVINGS))


# What the answers tell


@record
class Answer:
    """How one of our messages ended: the state of its command, and what the charger said."""

    action: str
    state: str
    was_sent: bool = True
    status: str | None = None
    error_code: str | None = None
    version: object = None


def settle(known: Known, wanted: Wanted, answer: Answer, now: datetime) -> Known:
    """Return what is known after an answer, or after silence."""
    if not answer.was_sent:
        return replace(known, sent=None) if answer.action == SEND else known
    if answer.action == READ:
        if answer.state in ("accepted", "error", "rejected"):
            return replace(known, limits_asked_at=now)
        return _failed(known, joined(": ", (READ, Told(answer.state))), now)
    if answer.state == "error" and answer.error_code in _NO_SUCH_ACTION:
        return _without_list(known, joined(": ", (answer.action, answer.error_code)), now)
    return (
        _after_list(known, answer, now)
        if answer.action == SEND
        else _after_version(known, wanted, answer, now)
    )


def _after_list(known: Known, answer: Answer, now: datetime) -> Known:
    if answer.state == "accepted":
        version, content = known.sent or (known.version, None)
        return replace(
            known, version=version, content=content, sent=None, is_verified=False, told_at=now
        )
    if (answer.status or "").strip().casefold() == "notsupported":
        return _without_list(known, joined(": ", (SEND, answer.status or "")), now)
    if answer.state in ("timed out", "gone"):
        return _failed(
            replace(known, is_verified=False), joined(": ", (SEND, Told(answer.state))), now
        )
    refused = replace(known, content=None, sent=None, is_verified=False, limits_asked_at=None)
    return _failed(
        refused, joined(": ", (SEND, answer.status or answer.error_code or Told(answer.state))), now
    )


def _after_version(known: Known, wanted: Wanted, answer: Answer, now: datetime) -> Known:
    version = answer.version
    if answer.state != "accepted":
        return _failed(known, joined(": ", (ASK, answer.error_code or Told(answer.state))), now)
    if type(version) is not int or not NOT_SUPPORTED <= version <= HIGHEST_VERSION:
        return _failed(known, Told("{1}: {2} is no version", ASK, repr(str(version)[:40])), now)
    if version == NOT_SUPPORTED:
        return _without_list(known, joined(": ", (ASK, "-1")), now)
    content = _content_of(known, wanted, version)
    told = replace(
        known,
        version=version,
        content=content,
        highest=max(known.highest, version),
        is_verified=True,
        told_at=now,
        sent=None,
    )
    if (
        content is None
        and known.content is not None
        and known.sent is None
        and not known.is_verified
    ):
        return _failed(
            told, Told("it accepted list version {1} and has {2}", known.version or 0, version), now
        )
    if content == wanted.content:
        return replace(told, failures=0, failing_since=None, retry_at=None, problem=None)
    return told


def _content_of(known: Known, wanted: Wanted, version: int) -> Content | None:
    """Return what a list of this version contains, None if that is not known."""
    if version == EMPTY:
        return None if wanted.content else {}
    if known.sent is not None and version == known.sent.version:
        return known.sent.content
    return known.content if version == known.version else None


def _without_list(known: Known, problem: str, now: datetime) -> Known:
    return replace(
        known,
        version=NOT_SUPPORTED,
        content=None,
        sent=None,
        is_verified=True,
        told_at=now,
        failures=0,
        failing_since=None,
        retry_at=None,
        problem=problem,
    )


def _failed(known: Known, problem: str, now: datetime) -> Known:
    failures = known.failures + 1
    return replace(
        known,
        failures=failures,
        failing_since=known.failing_since or now,
        retry_at=now + pause(failures),
        problem=problem,
    )


def pause(failures: int) -> timedelta:
    """Return how long to wait after a failure: not after the first, then a minute, doubling up to
    six hours."""
    return (
        timedelta(0)
        if failures <= 1
        else min(FIRST_PAUSE * 2 ** min(failures - 2, 16), LONGEST_PAUSE)
    )


# The entries


def entry(
    id_tag: str,
    status: str,
    expires_at: str | None,
    parent_id_tag: str | None,
    *,
    now: str,
    is_withheld: bool,
) -> Entry:
    """Return a tag as it is listed; `is_withheld` is whether it may charge nowhere at present
    (wallets.py). A blocked one is listed, too: a charger that lets strangers in must know it
    (§3.5.4)."""
    if status == Status.ACCEPTED and expires_at is not None and expires_at <= now:
        status = Status.EXPIRED
    elif status == Status.ACCEPTED and is_withheld:
        status = Status.BLOCKED
    info: dict[str, Any] = {"status": str(status)}
    if expires_at is not None:
        info["expiryDate"] = wire_time(datetime.fromisoformat(expires_at))
    if parent_id_tag is not None:
        info["parentIdTag"] = parent_id_tag
    return {"idTag": id_tag, "idTagInfo": info}


def refused(entry: Entry) -> Entry:
    """Return a tag as it is listed at a charger where it may not charge: behind all that may."""
    info = entry["idTagInfo"]
    return (
        entry | {"idTagInfo": info | {"status": str(Status.INVALID)}}
        if info["status"] == Status.ACCEPTED
        else entry
    )


def message(
    known: Known, wanted: Wanted, most: int, *, is_full: bool
) -> tuple[dict[str, Any], Sent]:
    """Return the payload of the next SendLocalList, with at most so many entries, and what the
    charger has after it."""
    have = {} if is_full or known.content is None else known.content
    entries, content = changes(have, wanted.content)[:most], dict(have)
    for one in entries:
        if "idTagInfo" in one:
            content[folded(one["idTag"])] = one
        else:
            del content[folded(one["idTag"])]
    version, kind = next_version(known), "Full" if is_full else "Differential"
    payload = {"listVersion": version, "updateType": kind, "localAuthorizationList": entries}
    return payload, Sent(version, content)

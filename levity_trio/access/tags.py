"""Who may charge: the normal form of a tag, and the verdict on it (OCPP 1.6 §7.2). Only a
start is refused as ConcurrentTx: else nobody of a family could end its session."""

from __future__ import annotations

import re
import string
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Final, NamedTuple

from levity_trio.access.places import ACCOUNT, OF_PLACE, TAG, Card, Places, Reason, card
from levity_trio.access.wallets import Wallets
from levity_trio.charging.names import EDGES
from levity_trio.events import Event, TagChanged, TagsImported
from levity_trio.records import record

LONGEST_TAG: Final = 20
"""Characters of an idToken (§7.28)."""
REMOVED: Final = "removed"
"""The change of a TagChanged that ends a tag."""
_PRINTED: Final = re.compile(r"[0-9A-F]{2}([ :.-])([0-9A-F]{2}\1){2,}[0-9A-F]{2}")
"""The number of a card as it is printed: bytes with one sign between them."""
_HEX: Final = re.compile(r"[0-9a-f]{6,20}")
_LEAST_BYTES: Final = 4
"""Bytes of the shortest number of a card. Fewer that are alike are chance."""
LOWER: Final = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


class Status(StrEnum):
    """An AuthorizationStatus (§7.2)."""

    ACCEPTED = "Accepted"
    BLOCKED = "Blocked"
    EXPIRED = "Expired"
    INVALID = "Invalid"
    CONCURRENT = "ConcurrentTx"


class Unknown(StrEnum):
    """What becomes of tags that nobody added (--unknown-tags)."""

    ACCEPT = "accept"
    REFUSE = "refuse"
    ASK = "ask"


def printed(id_tag: str) -> str:
    """Return a tag as chargers send it, given as it is printed: 04 A2 B3 C9, or 04:a2:b3:c9."""
    found = _PRINTED.fullmatch(id_tag.upper())
    return id_tag if found is None else found[0].replace(found[1], "")


class LookAlikes:
    """The cards that are known, by what chargers may read of them."""

    def __init__(self, known: Iterable[str]) -> None:
        self._whole: dict[bytes, set[str]] = defaultdict(set)
        self._cut: dict[bytes, set[str]] = defaultdict(set)
        for key in known:
            for number in _numbers(key):
                self._whole[number].add(key)
                for part in _cut(number):
                    self._cut[part].add(key)

    def of(self, key: str) -> dict[str, str]:
        """Return those that may be the same card as this one, and how one of the two is read:
        backwards, short (without its first or last bytes), or otherwise (with other zeros, or as a
        decimal number). All are given by their normal forms."""
        found: dict[str, str] = {}
        for number in _numbers(key):
            for read, how in ((number, "otherwise"), (number[::-1], "backwards")):
                for part in _cut(read):
                    found |= dict.fromkeys(self._whole.get(part, ()), "short")
                found |= dict.fromkeys(self._cut.get(read, ()), "short")
                found |= dict.fromkeys(self._whole.get(read, ()), how)
        found.pop(key, None)
        return found


def _numbers(key: str) -> set[bytes]:
    """Return what number a tag may be, in hexadecimal or decimal digits, without zeros around
    it."""
    if not _HEX.fullmatch(key):
        return set()
    numbers = {bytes.fromhex(key.zfill(len(key) + len(key) % 2))}
    if key.isdecimal():
        numbers.add(int(key).to_bytes(LONGEST_TAG))
    stripped = (number.strip(b"\0") for number in numbers)
    return {number for number in stripped if len(number) >= _LEAST_BYTES - 1}


def _cut(number: bytes) -> set[bytes]:
    """Return what readers leave of a number: a byte less, or four bytes."""
    if len(number) < _LEAST_BYTES:
        return set()
    return {number[1:], number[:-1], number[:_LEAST_BYTES], number[-_LEAST_BYTES:]} - {number}


class Verdict(NamedTuple):
    """An idTagInfo: its status, and the expiry and the parent of the tag. Times are in the
    database's format.

    `reason` is why a tag that may charge may not do so here or now.
    """

    status: str
    expiry: str | None = None
    parent: str | None = None
    reason: str | None = None

    @property
    def is_accepted(self) -> bool:
        return self.status == Status.ACCEPTED

    def refused(self, reason: Reason | None) -> Verdict:
        """Return the verdict on the same tag where it may not charge here or now (wallets.py,
        places.py)."""
        if reason is None or not self.is_accepted:
            return self
        return self._replace(
            status=Status.INVALID if reason in OF_PLACE else Status.BLOCKED, reason=reason
        )


class Tag(NamedTuple):
    """What the policy knows of a tag. `most` is how many transactions it may have at once, None for
    any number."""

    status: str
    expires_at: str | None
    parent: str | None
    most: int | None


@record(kw_only=False)
class Policy:
    """The settings by which tags are judged. `own` is a tag of ours, which counts as known."""

    unknown: Unknown = Unknown.ACCEPT
    strip: re.Pattern[str] | None = None
    """What is disregarded at the end of a tag."""
    own: str | None = None
    has_authorizer: bool = False
    """Whether unknown tags are an outside authorizer's matter."""
    is_registered: bool = True
    """Whether the charger is registered; at one that waits or is refused no tag may charge
    (§4.2)."""
    bills_connector_first: bool = False
    """Whether the connector of a transaction says first who pays for it (--bill-by)."""

    def key(self, id_tag: str) -> str:
        """Return the normal form of a tag; two tags with the same one are the same tag."""
        key = id_tag.strip(EDGES)
        if self.strip is not None and (stripped := self.strip.sub("", key, count=1).strip(EDGES)):
            # never nothing: a pattern that fits whole tags would make them all the same
            key = stripped
        return key.translate(LOWER)

    def is_own(self, key: str) -> bool:
        """Whether this is the normal form of our own tag."""
        return self.own is not None and key == self.key(self.own)

    def judge(self, key: str, tag: Tag | None, at: str) -> Verdict:
        """Return the verdict on a tag that is presented at this time; `tag` is None if nobody added
        it."""
        if not self.is_registered:
            return Verdict(Status.INVALID)
        if tag is None:
            is_accepted = self.unknown is Unknown.ACCEPT or self.is_own(key)
            return Verdict(Status.ACCEPTED if is_accepted else Status.INVALID)
        if tag.status != Status.ACCEPTED:
            return Verdict(tag.status, tag.expires_at, tag.parent)
        is_expired = tag.expires_at is not None and tag.expires_at <= at
        return Verdict(
            Status.EXPIRED if is_expired else Status.ACCEPTED, tag.expires_at, tag.parent
        )

    def judge_unreadable(self) -> Verdict:
        """Return the verdict on a tag that cannot be read: its car may be charging."""
        return Verdict(Status.ACCEPTED if self.is_registered else Status.INVALID)

    def is_asked_outside(self, key: str, tag: Tag | None) -> bool:
        """Whether the outside authorizer decides on a tag."""
        return self.has_authorizer and self.is_registered and tag is None and not self.is_own(key)

    def is_asked(self, key: str, tag: Tag | None) -> bool:
        """Whether an operator is asked about a tag."""
        is_unknown = self.is_registered and tag is None and not self.is_own(key) and bool(key)
        return self.unknown is Unknown.ASK and is_unknown

    def is_withdrawn(self, key: str, before: Tag | None, after: Tag | None, at: str) -> bool:
        """Whether a change takes from a tag that it may charge, so that no charger may remember
        it."""
        return (
            self.judge(key, before, at).is_accepted and not self.judge(key, after, at).is_accepted
        )

    def are_together(self, one: Iterable[str | None], other: Iterable[str | None]) -> bool:
        """Whether two tags, each given with its parents, are of one group: its members have a
        parent, or are it."""
        group = {self.key(tag) for tag in one if tag}
        return not group.isdisjoint(self.key(tag) for tag in other if tag)


def concurrent(verdict: Verdict, tag: Tag | None, running: int) -> Verdict:
    """Return the verdict on a start whose tag has other transactions running."""
    if not verdict.is_accepted or tag is None or tag.most is None or running < tag.most:
        return verdict
    return verdict._replace(status=Status.CONCURRENT)


class Index:
    """All tags in memory, by their normal form, whose they are, and where they may charge. It
    follows the facts as they are committed."""

    __slots__ = (
        "_missed",
        "_noted",
        "_tags",
        "imports",
        "imports_read",
        "places",
        "policy",
        "wallets",
    )

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.wallets = Wallets()
        self.places = Places()
        self._tags: dict[str, Tag] = {}
        self._noted: set[str] | None = None
        self._missed: list[Event] | None = None
        self.imports = self.imports_read = 0
        """The imports since the start: of all, and of those whose tags are in memory."""

    def __len__(self) -> int:
        return len(self._tags)

    def find(self, key: str) -> Tag | None:
        """Return the tag with this normal form, None if nobody added it."""
        return self._tags.get(key)

    def entered(self, id_tag: str) -> str:
        """Return a tag as its charger sends it, as somebody entered it. One that is known as it was
        entered stays so: a charger may send what is printed."""
        key = self.policy.key(id_tag)
        is_known = key in self._tags or self.wallets.is_given(key)
        return id_tag if is_known else printed(id_tag)

    def put(self, key: str, tag: Tag | None) -> None:
        """Keep what holds for a tag from now on; None removes it."""
        if self._noted is not None:
            self._noted.add(key)
        if tag is None:
            self._tags.pop(key, None)
        else:
            self._tags[key] = tag

    @contextmanager
    def noting(self) -> Iterator[set[str]]:
        """Collect the normal forms of the tags that change meanwhile. One block at a time."""
        self._noted = noted = set[str]()
        try:
            yield noted
        finally:
            self._noted = None

    @contextmanager
    def loading(self) -> Iterator[None]:
        """Let what is stored of wallets and places be read and loaded; facts that come meanwhile
        are newer, or the same."""
        self._missed = missed = list[Event]()
        try:
            yield
        finally:
            self._missed = None
        for event in missed:
            self._follow(event)

    def judge(self, id_tag: str, at: str) -> Verdict:
        """Return the verdict on a tag that is presented at this time, wherever that is."""
        key = self.policy.key(id_tag)
        return self.policy.judge(key, self.find(key), at).refused(self.wallets.withhold(key, at))

    def refusal(self, key: str, charger: str, connector: int | None, at: str) -> Reason | None:
        """Return why a tag may not charge at a connector, or (None) anywhere at a charger; None if
        it may."""
        if self.policy.is_own(key):
            return None
        return self.places.refusal(charger, connector, at, lambda: self._card(key, at))

    def _card(self, key: str, at: str) -> Card:
        account, limits = self.wallets.account(key, at), self.places
        own, of_account = limits.limit(TAG, key), limits.limit(ACCOUNT, account)
        is_known, is_given = self.find(key) is not None, self.wallets.is_given(key)
        return card(account, own, of_account, is_known=is_known, is_given=is_given)

    def observe(self, event: Event) -> None:
        """Follow a committed fact. What an import changes is read again."""
        if self._missed is not None:
            self._missed.append(event)
        self._follow(event)
        if isinstance(event, TagChanged):
            tag = Tag(event.status, event.expires_at, event.parent_id_tag, event.max_transactions)
            self.put(self.policy.key(event.id_tag), None if event.change == REMOVED else tag)
        elif isinstance(event, TagsImported):
            self.imports += 1

    def _follow(self, event: Event) -> None:
        self.wallets.observe(event)
        self.places.observe(event)

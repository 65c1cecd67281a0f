"""One round: from what a look found to the messages that are made, as pure decisions.

A message is identified by a digest of what it tells and to whom, so the same is never made twice:
not after a restart, and not by another server.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from hashlib import sha256
from typing import Final, NamedTuple
from urllib.parse import quote
from zoneinfo import ZoneInfo

import orjson

from levity_trio.events import (
    ChargerOdd,
    HouseholdReported,
    MonthClosed,
    MonthLimitNear,
    MonthLimitReached,
    OutcomeKnown,
    TransactionClosed,
    TransactionStopped,
)
from levity_trio.locale import SOURCE, languages, speaking
from levity_trio.notify import texts
from levity_trio.notify.causes import Cause, changed
from levity_trio.notify.kinds import Kind
from levity_trio.notify.reading import ClosedOne, Found, FullCar, NewFact, Recipient, left_out
from levity_trio.notify.texts import Session, Text, Where
from levity_trio.records import record
from levity_trio.store.writes.chargers.outcomes import REPLACED
from levity_trio.store.writes.people.messages import CauseRow, NewMessage, Round
from levity_trio.wire.times import in_zone, stamp

MAIL, PUSH = "mail", "push"
DIGEST_AT: Final = time(8)
"""When, by the clock of the site, doubtful sessions are told."""
UNPLUGGED: Final = "EVDisconnected"
EARLY: Final = frozenset(
    {
        *(
            "EmergencyStop",
            "PowerLoss",
            "HardReset",
            "SoftReset",
            "Reboot",
            "UnlockCommand",
            "DeAuthorized",
        ),
        *("Remote", "Other"),
    }
)
"""Reasons of stops that are not at the charger, by the one who charges."""
CONTRADICTED, NOT_SEEN = "contradicted", "not seen"
_SEEN_WITH_A_CAR: Final = ("SetChargingProfile", "ClearChargingProfile")
"""Nothing shows without a car whether these are obeyed."""
URGENT: Final = (Kind.FAULTED, Kind.EXCEEDED, Kind.DISK)
"""Quiet hours do not hold these back."""


@record(kw_only=False)
class Ways:
    """The ways by which messages leave (mail, push), and where their links lead, without a slash at
    the end; None: nowhere that others reach."""

    channels: Collection[str]
    zone: ZoneInfo
    owners_url: str | None = None
    drivers_url: str | None = None


class Topic(NamedTuple):
    """What a message is about: its kind, what identifies it, and the cause, fact or statement."""

    kind: str
    part: str
    key: Sequence[object]
    path: str
    is_urgent: bool = False
    cause: int | None = None
    event: int | None = None
    statement: int | None = None


def messages_of(found: Found, ways: Ways, now: datetime) -> Round:
    """Return what is to be stored after a look: causes that changed, and the messages that are
    due."""
    return _Making(found, ways, now).made()


class _Making:
    def __init__(self, found: Found, ways: Ways, now: datetime) -> None:
        self._found, self._ways, self._now = found, ways, now
        self._where = Where(found.names, found.with_connectors, ways.zone, now)
        self._messages: list[NewMessage] = []

    def made(self) -> Round:
        found = self._found
        news = changed(found.causes, found.conditions, self._now, found.unknown)
        news = [one if one.id else replace(one, id=-n) for n, one in enumerate(news, 1)]
        causes = {one.id: one for one in (*found.causes, *news)}
        for cause in causes.values():
            with left_out(cause=cause.id):
                self._tell_cause(cause)
        digest_on = found.cursor.digest_on
        with left_out(digest=digest_on):
            digest_on = self._tell_doubts([*causes.values()])
        for fact in found.facts:
            with left_out(fact=fact.id):
                self._tell_fact(fact)
        for car in found.full:
            with left_out(transaction=car.transaction):
                self._tell_full(car)
        return Round(
            at=stamp(self._now),
            round=found.cursor.round,
            position=found.upto,
            digest_on=digest_on,
            causes=[_row(one) for one in news],
            messages=self._messages,
        )

    # Causes

    def _tell_cause(self, cause: Cause) -> None:
        if cause.kind is Kind.DOUBTFUL:
            return
        begun = {(one.recipient, one.channel) for one in self._found.begun if one.cause == cause.id}
        part = "begin" if cause.ended_at is None else "end"
        key = cause.kind, cause.subject, stamp(cause.began_at), stamp(cause.found_at)
        topic = Topic(cause.kind, part, key, _path_of(cause), cause.kind in URGENT, cause.id)
        for recipient in self._owners(cause.kind):
            for channel in self._channels(recipient):
                is_told = (recipient.id, channel) in begun
                if cause.ended_at is not None and is_told:
                    self._add(recipient, channel, topic, lambda: texts.over(cause, self._where))
                elif cause.ended_at is None and not is_told and self._is_due(cause, recipient):
                    self._add(recipient, channel, topic, lambda: texts.begun(cause, self._where))

    def _is_due(self, cause: Cause, recipient: Recipient) -> bool:
        """Whether a recipient is to be told of a cause now: it lasts, and chargers have been away
        for long enough."""
        minutes = recipient.away_minutes if cause.kind is Kind.AWAY else 0
        return bool(cause.lasting) and self._now - cause.began_at >= timedelta(minutes=minutes)

    def _tell_doubts(self, causes: Sequence[Cause]) -> str | None:
        """Tell once a day which chargers have doubtful sessions since the digest before; return its
        local day."""
        local, before = in_zone(self._now, self._ways.zone), self._found.cursor.digest_on
        today = local.date().isoformat()
        if before is None or local.time() < DIGEST_AT or before >= today:
            return before or (local.date() - timedelta(days=local.time() < DIGEST_AT)).isoformat()
        open_ones = [one for one in causes if one.kind is Kind.DOUBTFUL and one.ended_at is None]
        for recipient in self._owners(Kind.DOUBTFUL):
            last = self._found.digests.get(recipient.id, "")
            chargers = [one.subject for one in open_ones if stamp(one.found_at) > last]
            doubts = [self._found.doubts[one] for one in chargers if one in self._found.doubts]
            topic = Topic(Kind.DOUBTFUL, "digest", (today,), "/review")
            for channel in self._channels(recipient) if doubts else ():
                self._add(
                    recipient,
                    channel,
                    topic,
                    lambda doubts=doubts: texts.digest(doubts, self._where),  # type: ignore[misc]
                )
        return today

    # Facts

    def _tell_fact(self, new: NewFact) -> None:
        match new.fact:
            case OutcomeKnown() | HouseholdReported() | ChargerOdd():
                self._tell_owners(new)
            case TransactionStopped() | TransactionClosed():
                self._tell_end(new, new.fact)
            case MonthLimitNear() | MonthLimitReached():
                is_urgent = isinstance(new.fact, MonthLimitReached)
                topic = Topic(
                    Kind.LIMIT,
                    "note",
                    ("fact", new.id, new.fact.at),
                    "/d/me",
                    is_urgent,
                    event=new.id,
                )
                self._tell_drivers(
                    new.account, topic, lambda: texts.of_limit(new.fact), new.fact.at
                )
            case MonthClosed():
                for statement in new.statements:
                    with left_out(statement=statement.number):
                        self._tell_statement(new, statement)

    def _tell_owners(self, new: NewFact) -> None:
        fact, path = new.fact, _path_of_charger(new.fact.charger or "")
        if isinstance(fact, OutcomeKnown):
            if not _is_disobeyed(fact):
                return
            day = in_zone(self._now, self._ways.zone).date().isoformat()
            key: Sequence[object] = (fact.charger, fact.action, day)  # the same may fail each hour
            topic = Topic(Kind.COMMAND, "note", key, path, event=new.id)
        elif isinstance(fact, ChargerOdd):
            key = (fact.charger, fact.cause, fact.at[:7])  # a meter may serve two connectors
            topic = Topic(Kind.FAULTED, "note", key, path, event=new.id)
        else:
            topic = Topic(
                Kind.REPORT, "note", ("fact", new.id, fact.at), "/review?kind=report", event=new.id
            )
        for recipient in self._owners(Kind(topic.kind), fact.at):
            name = new.household if recipient.with_names else None
            for channel in self._channels(recipient):
                text = partial(texts.of_owner, fact, self._where, name)
                self._add(recipient, channel, topic, text)

    def _tell_end(self, new: NewFact, fact: TransactionStopped | TransactionClosed) -> None:
        kind = (
            Kind.UNPLUGGED
            if fact.reason == UNPLUGGED
            else Kind.STOPPED
            if fact.reason in EARLY
            else None
        )
        if kind is None:
            return
        session = Session(new.energy_wh, fact.reason, new.ended_at or self._now)
        path = f"/d/sessions/{fact.transaction}"
        # a late stop tells nothing new
        topic = Topic(kind, "note", ("end", fact.transaction), path, event=new.id)
        self._tell_drivers(
            new.account, topic, lambda: texts.of_session(kind, session, self._where), fact.at
        )

    def _tell_full(self, car: FullCar) -> None:
        session = Session(car.energy_wh, "", car.since)
        topic = Topic(
            Kind.FULL, "note", ("full", car.transaction), f"/d/sessions/{car.transaction}"
        )
        self._tell_drivers(
            car.account, topic, lambda: texts.of_session(Kind.FULL, session, self._where)
        )

    def _tell_statement(self, new: NewFact, one: ClosedOne) -> None:
        for recipient in self._found.recipients:
            if recipient.account != one.account or not recipient.is_driver:
                continue
            channels = self._channels(recipient)
            if recipient.gets_statements and MAIL in channels:
                self._messages.append(statement_mail(recipient, one, self._ways, stamp(self._now)))
                channels.remove(MAIL)
            if Kind.STATEMENT in recipient.kinds and new.fact.at >= recipient.added_at:
                month = date.fromisoformat(f"{one.month}-01")
                topic = Topic(
                    Kind.STATEMENT, "note", (one.number, one.digest), "/d/statements", event=new.id
                )
                for channel in channels:
                    self._add(
                        recipient,
                        channel,
                        topic,
                        partial(texts.of_statement, month, is_attached=False),
                    )

    def _tell_drivers(
        self, account: int | None, topic: Topic, text: Callable[[], Text], at: str = "9999"
    ) -> None:
        for recipient in self._found.recipients:
            is_his = recipient.is_driver and account is not None and recipient.account == account
            if is_his and topic.kind in recipient.kinds and at >= recipient.added_at:
                for channel in self._channels(recipient):
                    self._add(recipient, channel, topic, text)

    # Messages

    def _owners(self, kind: Kind, at: str = "9999") -> list[Recipient]:
        """Return the owners and caretakers who chose a kind, and who were added before a fact."""
        found = (one for one in self._found.recipients if not one.is_driver and at >= one.added_at)
        return [one for one in found if kind in one.kinds]

    def _channels(self, recipient: Recipient) -> list[str]:
        has = {MAIL: recipient.mail is not None, PUSH: recipient.has_push}
        return [
            channel for channel in (MAIL, PUSH) if has[channel] and channel in self._ways.channels
        ]

    def _add(
        self, recipient: Recipient, channel: str, topic: Topic, text: Callable[[], Text | None]
    ) -> None:
        with left_out(kind=topic.kind, recipient=recipient.id), speaking(_language(recipient)):
            said = text()
            if said is not None:
                self._messages.append(
                    _message(recipient, channel, topic, said, self._ways, self._now)
                )


def statement_mail(
    recipient: Recipient, one: ClosedOne, ways: Ways, at: str, by: str | None = None, copy: int = 0
) -> NewMessage:
    """Return the mail of a statement; `copy` counts those that the same address got before."""
    key = (one.number, one.digest, recipient.mail, copy)
    topic = Topic(Kind.STATEMENT, "statement", key, "/d/statements", statement=one.id)
    with speaking(_language(recipient)):
        text = texts.of_statement(date.fromisoformat(f"{one.month}-01"), is_attached=True)
    now = datetime.fromisoformat(at)
    return replace(_message(recipient, MAIL, topic, text, ways, now), created_by=by)


def _message(
    recipient: Recipient, channel: str, topic: Topic, text: Text, ways: Ways, now: datetime
) -> NewMessage:
    base = ways.drivers_url if recipient.is_driver else ways.owners_url
    is_held_back = recipient.quiet is not None and not topic.is_urgent
    not_before = (
        after_quiet(recipient.quiet, now, ways.zone) if is_held_back and recipient.quiet else now
    )
    return NewMessage(
        message_id=_digest(
            topic.kind, topic.part, *topic.key, recipient.id, recipient.added_at, channel
        ),
        recipient=recipient.id,
        channel=channel,
        part=topic.part,
        kind=topic.kind,
        cause=topic.cause,
        event=topic.event,
        statement=topic.statement,
        subject=text.subject,
        body=text.body,
        link=None if base is None else f"{base}{topic.path}",
        not_before=stamp(not_before),
    )


def after_quiet(quiet: tuple[str, str], now: datetime, zone: ZoneInfo) -> datetime:
    """Return when a message may go out that quiet hours hold back: now, or at their end."""
    begin, end = map(time.fromisoformat, quiet)
    local = in_zone(now, zone)
    clock = local.time()
    is_quiet = begin <= clock < end if begin <= end else clock >= begin or clock < end
    day = local.date() + timedelta(days=clock >= end)
    return in_zone(datetime.combine(day, end, zone), UTC) if is_quiet else now


def _digest(*parts: object) -> str:
    """Return what identifies a message. The time at which its recipient was added tells two sites
    apart."""
    return sha256("\0".join(map(str, parts)).encode()).hexdigest()[:40]


def _language(recipient: Recipient) -> str:
    return next((one for one in languages() if one == recipient.language), SOURCE)


def _row(cause: Cause) -> CauseRow:
    parts = [
        [*place, stamp(span.since), None if span.until is None else stamp(span.until)]
        for place, span in sorted(cause.parts.items())
    ]
    calm, ended = cause.calm_since, cause.ended_at
    return CauseRow(
        id=cause.id,
        kind=cause.kind,
        subject=cause.subject,
        parts=orjson.dumps(parts).decode(),
        words=cause.words,
        began_at=stamp(cause.began_at),
        found_at=stamp(cause.found_at),
        calm_since=None if calm is None else stamp(calm),
        ended_at=None if ended is None else stamp(ended),
        chargers=sorted({place.charger for place in cause.parts if place.charger}),
    )


def _is_disobeyed(fact: OutcomeKnown) -> bool:
    """Whether an owner is told what came of a command. One that another replaced was not
    disobeyed."""
    if fact.action not in texts.COMMANDS or fact.words.endswith(REPLACED):
        return False
    return fact.outcome == CONTRADICTED or (
        fact.outcome == NOT_SEEN and fact.action not in _SEEN_WITH_A_CAR
    )


def _path_of(cause: Cause) -> str:
    chargers = {place.charger for place in cause.parts}
    if cause.kind in (Kind.BACKUP, Kind.DISK):
        return "/system"
    if cause.kind in (Kind.EXCEEDED, Kind.METER, Kind.IGNORED):
        return "/load"
    return _path_of_charger(chargers.pop()) if len(chargers) == 1 else "/chargers"


def _path_of_charger(charger: str) -> str:
    return f"/chargers/{quote(charger, safe='')}"

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
from levity_trio.notify import kinds
from levity_trio.notify.kinds import (
    DoubtsAt,
    DriverSession,
    MessageCause,
    MessageKind,
    MessageText,
    Where,
    changed,
)
from levity_trio.notify.overdue import OverdueOne
from levity_trio.notify.reading import ClosedOne, LookFindings, MessageRecipient, NewFact, left_out
from levity_trio.records import record
from levity_trio.store.writes.chargers.commands import REPLACED
from levity_trio.store.writes.people.messages import CauseRow, NewMessage, Round
from levity_trio.wire.times import in_zone, stamp

MAIL: Final = "mail"
PUSH: Final = "push"
SUPPLEMENT: Final = "supplement"
"""The part of a message that brings what was added to a statement."""
DIGEST_AT: Final = time(8)
"""When, by the clock of the site, doubtful sessions are told."""
UNPLUGGED: Final = "EVDisconnected"
EARLY: Final = (
    "EmergencyStop",
    "PowerLoss",
    "HardReset",
    "SoftReset",
    "Reboot",
    "UnlockCommand",
    "DeAuthorized",
    "Remote",
    "Other",
)
"""Reasons of stops that are not at the charger, by the one who charges."""
CONTRADICTED: Final = "contradicted"
NOT_SEEN: Final = "not seen"
_SEEN_WITH_A_CAR: Final = ("SetChargingProfile", "ClearChargingProfile")
"""Nothing shows without a car whether these are obeyed."""


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

    kind: MessageKind
    part: str
    key: Sequence[object]
    path: str
    is_urgent: bool = False
    cause: int | None = None
    event: int | None = None
    statement: int | None = None


def messages_of(found: LookFindings, ways: Ways, now: datetime) -> Round:
    """Return what is to be stored after a look: causes that changed, and the messages that are
    due."""
    return _Making(found, ways, now).made()


class _Making:
    def __init__(self, found: LookFindings, ways: Ways, now: datetime) -> None:
        self._found = found
        self._ways = ways
        self._now = now
        self._where = Where(found.names, found.with_connectors, ways.zone, now)
        self._messages: list[NewMessage] = []

    def made(self) -> Round:
        found = self._found
        news = changed(found.causes, found.conditions, self._now, found.unknown)
        # A cause that is not stored yet has an id below 0, by which its messages name it.
        for number, cause in enumerate(news, 1):
            if not cause.id:
                news[number - 1] = replace(cause, id=-number)
        causes = {cause.id: cause for cause in (*found.causes, *news)}
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
                session = DriverSession(car.energy_wh, "", car.since)
                path = f"/d/sessions/{car.transaction}"
                topic = Topic(MessageKind.FULL, "note", ("full", car.transaction), path)
                text = partial(kinds.of_session, MessageKind.FULL, session, self._where)
                self._tell_drivers(car.account, topic, text)
        return Round(
            at=stamp(self._now),
            round=found.cursor.round,
            position=found.upto,
            digest_on=digest_on,
            causes=[_row(cause) for cause in news],
            messages=self._messages,
        )

    def _tell_cause(self, cause: MessageCause) -> None:
        """Tell that a cause has begun, and those who were told that, that it is over."""
        kind = cause.kind
        how = kind.how
        # The digest of the day tells doubts.
        if how.over is None:
            return
        told = set[tuple[int, str]]()
        for begin in self._found.begun:
            if begin.cause == cause.id:
                told.add((begin.recipient, begin.channel))

        chargers = {place.charger for place in cause.parts}
        path = how.path or "/chargers"
        if how.path is None and len(chargers) == 1:
            path = _path_of_charger(chargers.pop())
        is_over = cause.ended_at is not None
        part = "end" if is_over else "begin"
        key = kind, cause.subject, stamp(cause.began_at), stamp(cause.found_at)
        topic = Topic(kind, part, key, path, how.is_urgent, cause.id)

        text = partial(kinds.begun, cause, self._where)
        if is_over:
            text = partial(kinds.over, cause, how.over, self._where)
        for recipient in self._owners(kind):
            # Each chooses how long chargers may be away before it is told.
            minutes = recipient.away_minutes if kind is MessageKind.AWAY else 0
            has_lasted = self._now - cause.began_at >= timedelta(minutes=minutes)
            is_due = is_over or (bool(cause.lasting) and has_lasted)
            for channel in self._channels(recipient):
                # The end is for those who heard of the begin, and the begin for those who did not.
                is_told = (recipient.id, channel) in told
                if is_due and is_told == is_over:
                    self._add(recipient, channel, topic, text)

    def _tell_doubts(self, causes: Sequence[MessageCause]) -> str | None:
        """Tell once a day which chargers have doubtful sessions since the digest before; return its
        local day."""
        local = in_zone(self._now, self._ways.zone)
        before = self._found.cursor.digest_on
        today = local.date().isoformat()
        is_early = local.time() < DIGEST_AT
        if before is None:
            # The first digest comes at the next such time.
            return (local.date() - timedelta(days=is_early)).isoformat()
        if is_early or before >= today:
            return before

        topic = Topic(MessageKind.DOUBTFUL, "digest", (today,), "/review")
        lasting = [
            cause
            for cause in causes
            if cause.kind is MessageKind.DOUBTFUL and cause.ended_at is None
        ]
        for recipient in self._owners(MessageKind.DOUBTFUL):
            last = self._found.digests.get(recipient.id, "")
            doubts: list[DoubtsAt] = []
            for cause in lasting:
                at_charger = self._found.doubts.get(cause.subject)
                if at_charger is not None and stamp(cause.found_at) > last:
                    doubts.append(at_charger)
            if not doubts:
                continue
            text = partial(kinds.digest, doubts, self._where)
            for channel in self._channels(recipient):
                self._add(recipient, channel, topic, text)
        return today

    def _tell_fact(self, new: NewFact) -> None:
        fact = new.fact
        match fact:
            case OutcomeKnown() | HouseholdReported() | ChargerOdd():
                self._tell_owners(new)
            case TransactionStopped() | TransactionClosed():
                # A driver hears of an end that he did not choose, or that the car was unplugged.
                kind = MessageKind.UNPLUGGED if fact.reason == UNPLUGGED else MessageKind.STOPPED
                if kind is MessageKind.STOPPED and fact.reason not in EARLY:
                    return
                session = DriverSession(new.energy_wh, fact.reason, new.ended_at or self._now)
                path = f"/d/sessions/{fact.transaction}"
                # A late stop of a session that the system closed tells nothing new.
                topic = Topic(kind, "note", ("end", fact.transaction), path, event=new.id)
                text = partial(kinds.of_session, kind, session, self._where)
                self._tell_drivers(new.account, topic, text, fact.at)
            case MonthLimitNear() | MonthLimitReached():
                is_urgent = isinstance(fact, MonthLimitReached)
                key = ("fact", new.id, fact.at)
                topic = Topic(MessageKind.LIMIT, "note", key, "/d/me", is_urgent, event=new.id)
                text = partial(kinds.of_limit, fact)
                self._tell_drivers(new.account, topic, text, fact.at)
            case MonthClosed():
                for statement in new.statements:
                    with left_out(statement=statement.number):
                        self._tell_statement(new, statement)

    def _tell_owners(self, new: NewFact) -> None:
        fact = new.fact
        path = _path_of_charger(fact.charger or "")
        key: Sequence[object]
        if isinstance(fact, OutcomeKnown):
            # A command that another one replaced was not disobeyed.
            if fact.action not in kinds.COMMANDS or fact.words.endswith(REPLACED):
                return
            needs_a_car = fact.action in _SEEN_WITH_A_CAR
            if fact.outcome != CONTRADICTED and (fact.outcome != NOT_SEEN or needs_a_car):
                return
            # The same may fail each hour.
            day = in_zone(self._now, self._ways.zone).date().isoformat()
            key = (fact.charger, fact.action, day)
            topic = Topic(MessageKind.COMMAND, "note", key, path, event=new.id)
        elif isinstance(fact, ChargerOdd):
            # A meter may serve two connectors.
            key = (fact.charger, fact.cause, fact.at[:7])
            topic = Topic(MessageKind.FAULTED, "note", key, path, event=new.id)
        else:
            key = ("fact", new.id, fact.at)
            topic = Topic(MessageKind.REPORT, "note", key, "/review?kind=report", event=new.id)
        for recipient in self._owners(topic.kind, fact.at):
            name = new.household if recipient.with_names else None
            text = partial(kinds.of_owner, fact, self._where, name)
            for channel in self._channels(recipient):
                self._add(recipient, channel, topic, text)

    def _tell_statement(self, new: NewFact, closed: ClosedOne) -> None:
        """Tell a household of its statement: by the statement itself, or else by a note."""
        month = date.fromisoformat(f"{closed.month}-01")
        text = partial(kinds.of_statement, month, is_attached=False)
        key = (closed.number, closed.digest)
        topic = Topic(MessageKind.STATEMENT, "note", key, "/d/statements", event=new.id)
        for recipient in self._found.recipients:
            if recipient.account != closed.account or not recipient.is_driver:
                continue
            channels = self._channels(recipient)
            if recipient.gets_statements and MAIL in channels:
                mail = statement_mail(recipient, closed, self._ways, stamp(self._now))
                self._messages.append(mail)
                channels.remove(MAIL)
            if MessageKind.STATEMENT in recipient.kinds and new.fact.at >= recipient.added_at:
                for channel in channels:
                    self._add(recipient, channel, topic, text)

    def _tell_drivers(
        self, account: int | None, topic: Topic, text: Callable[[], MessageText], at: str = "9999"
    ) -> None:
        """Tell the drivers of a household who chose this, and who were added before a fact."""
        if account is None:
            return
        for recipient in self._found.recipients:
            if not recipient.is_driver or recipient.account != account:
                continue
            if topic.kind in recipient.kinds and at >= recipient.added_at:
                for channel in self._channels(recipient):
                    self._add(recipient, channel, topic, text)

    def _owners(self, kind: MessageKind, at: str = "9999") -> list[MessageRecipient]:
        """Return the owners and caretakers who chose a kind, and who were added before a fact."""
        return [
            recipient
            for recipient in self._found.recipients
            if not recipient.is_driver and at >= recipient.added_at and kind in recipient.kinds
        ]

    def _channels(self, recipient: MessageRecipient) -> list[str]:
        channels: list[str] = []
        if recipient.mail is not None and MAIL in self._ways.channels:
            channels.append(MAIL)
        if recipient.has_push and PUSH in self._ways.channels:
            channels.append(PUSH)
        return channels

    def _add(
        self,
        recipient: MessageRecipient,
        channel: str,
        topic: Topic,
        text: Callable[[], MessageText | None],
    ) -> None:
        with left_out(kind=topic.kind, recipient=recipient.id), speaking(_language(recipient)):
            words = text()
            if words is not None:
                message = _message(recipient, channel, topic, words, self._ways, self._now)
                self._messages.append(message)


def statement_mail(
    recipient: MessageRecipient,
    closed: ClosedOne,
    ways: Ways,
    at: str,
    by: str | None = None,
    copy: int = 0,
    part: str = "statement",
) -> NewMessage:
    """Return the mail of a statement, or of what was added to it; `copy` counts those that the same
    address got before."""
    key = (closed.number, closed.digest, recipient.mail, copy)
    topic = Topic(MessageKind.STATEMENT, part, key, "/d/statements", statement=closed.id)
    month = date.fromisoformat(f"{closed.month}-01")
    with speaking(closed.language or _language(recipient)):
        is_supplement = part == SUPPLEMENT
        text = kinds.of_statement(month, is_attached=True, is_supplement=is_supplement)
    now = datetime.fromisoformat(at)
    message = _message(recipient, MAIL, topic, text, ways, now)
    return replace(message, created_by=by)


def reminder_mail(
    recipient: MessageRecipient, overdue: OverdueOne, ways: Ways, at: str, by: str
) -> NewMessage:
    """Return the mail of a reminder, with the statement."""
    key = (overdue.id, recipient.mail, overdue.standing.reminded_at)
    path = "/d/statements"
    topic = Topic(MessageKind.REMINDER, "statement", key, path, statement=overdue.id)
    spoken = overdue.language or _language(recipient)
    with speaking(spoken):
        own: str | None = getattr(overdue.biller, f"reminder_{spoken}", None)
        text = kinds.of_reminder(overdue.standing, overdue.coded, overdue.biller, own)
    message = _message(recipient, MAIL, topic, text, ways, datetime.fromisoformat(at))
    return replace(message, created_by=by)


def _message(
    recipient: MessageRecipient,
    channel: str,
    topic: Topic,
    text: MessageText,
    ways: Ways,
    now: datetime,
) -> NewMessage:
    base = ways.drivers_url if recipient.is_driver else ways.owners_url
    link = None if base is None else f"{base}{topic.path}"
    not_before = now
    if recipient.quiet is not None and not topic.is_urgent:
        not_before = after_quiet(recipient.quiet, now, ways.zone)

    # The same is never made twice: what it tells, and to whom. The time at which its recipient was
    # added tells two sites apart.
    identity = [topic.kind, topic.part, *topic.key, recipient.id, recipient.added_at, channel]
    joined = "\0".join(map(str, identity))
    return NewMessage(
        message_id=sha256(joined.encode()).hexdigest()[:40],
        recipient=recipient.id,
        channel=channel,
        part=topic.part,
        kind=topic.kind,
        cause=topic.cause,
        event=topic.event,
        statement=topic.statement,
        subject=text.subject,
        body=text.body,
        link=link,
        not_before=stamp(not_before),
    )


def after_quiet(quiet: tuple[str, str], now: datetime, zone: ZoneInfo) -> datetime:
    """Return when a message may go out that quiet hours hold back: now, or at their end."""
    begin, end = map(time.fromisoformat, quiet)
    local = in_zone(now, zone)
    clock = local.time()
    is_quiet = begin <= clock < end
    # They may last over midnight.
    if begin > end:
        is_quiet = clock >= begin or clock < end
    if not is_quiet:
        return now
    day = local.date() + timedelta(days=clock >= end)
    return in_zone(datetime.combine(day, end, zone), UTC)


def _language(recipient: MessageRecipient) -> str:
    if recipient.language is not None and recipient.language in languages():
        return recipient.language
    return SOURCE


def _row(cause: MessageCause) -> CauseRow:
    """Return a cause as it is stored."""
    parts: list[list[object]] = []
    for place, span in sorted(cause.parts.items()):
        until = None if span.until is None else stamp(span.until)
        parts.append([*place, stamp(span.since), until])
    calm, ended = cause.calm_since, cause.ended_at
    chargers = {place.charger for place in cause.parts if place.charger}
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
        chargers=sorted(chargers),
    )


def _path_of_charger(charger: str) -> str:
    return f"/chargers/{quote(charger, safe='')}"

"""What people can choose to be told, and how each kind of it is told.

What there is to tell, and what begins and ends: pure decisions over what lasts now and what
lasted at the last look.

A condition lasts or it does not, as the page Now shows it. Those that began together are parts of
one cause: one dead switch is one message, not twenty. A cause is told once it has settled, because
most faults are gone in a minute. It is over when nothing of it has lasted for a while, so that a
loose contact does not tell the same all night.

The texts of messages, in the language of the block: one sentence that says what, where and since
when.

A text to a driver has neither a name nor a place, because a stranger may read it over a shoulder;
only a reminder greets by name. One to an owner has the names of households only if he wants that.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import field, replace
from datetime import date, datetime, timedelta, tzinfo
from enum import StrEnum
from typing import Final, NamedTuple, Self

from levity_trio.billing import bank_accounts
from levity_trio.billing.money import CURRENCIES
from levity_trio.documents.template import of_program
from levity_trio.events import ChargerOdd, Fact, HouseholdReported, MonthLimitReached, OutcomeKnown
from levity_trio.locale import N_, _, _n, language
from levity_trio.locale.formats import format_of, number, short_day, weekday
from levity_trio.locale.texts import Reader, said
from levity_trio.records import record
from levity_trio.store.billing.biller import address_lines
from levity_trio.store.reads.money.statements import BillerRow, ClosedStatement
from levity_trio.store.reads.now.attention import AttentionKind as Look
from levity_trio.store.reads.now.attention import odd_words
from levity_trio.store.reads.now.present import SEVERAL, TOGETHER, listed
from levity_trio.wire.times import in_zone
from levity_trio.wire.words import of_ocpp


@N_
@record(kw_only=False)
class HowTold:
    """How a kind is told. `looks` are what the page Now calls it, if it is told as long as that
    lasts."""

    choice: str
    """The words by which people choose it; "" if nobody can."""
    over: str | tuple[str, str] | None
    """What is said when it is over, perhaps with other words for several places; None for what has
    no end of its own: a fact, or the digest of a day."""
    path: str | None = None
    """Where it is mended, None for the page of its charger."""
    looks: Collection[Look] = ()
    settles: timedelta = timedelta()
    """How long it must last to be told."""
    together: timedelta = timedelta(minutes=10)
    """How close together conditions begin that have one cause."""
    is_urgent: bool = False
    """Whether quiet hours do not hold it back when it begins."""
    is_drivers: bool = False


class MessageKind(StrEnum):
    """What a recipient can choose to be told: its name in the database, and how it is told."""

    how: HowTold

    def __new__(cls, name: str, how: HowTold) -> Self:
        """Return a kind, which is the text of its name."""
        kind = str.__new__(cls, name)
        kind._value_ = name
        kind.how = how
        return kind

    FAULTED = (
        "fault",
        HowTold(
            "A charger is faulted, or seems to be",
            ("%(where)s is no longer faulted", "%(num)s connectors are no longer faulted"),
            looks=[Look.FAULTED],
            settles=timedelta(minutes=1),
            is_urgent=True,
        ),
    )
    AWAY = (
        "away",
        HowTold(
            "A charger is away",
            ("%(where)s is back", "%(num)s chargers are back"),
            # Chargers notice a dead network after three minutes, and start for as long when they
            # have power again.
            settles=TOGETHER,
            together=timedelta(minutes=5),
        ),
    )
    COMMAND = (
        "command",
        HowTold(
            "A charger does not do what it was asked",
            "%(where)s is in service, or out of it, as it was told",
            looks=[Look.AVAILABILITY],
            settles=timedelta(minutes=10),
        ),
    )
    DOUBTFUL = "doubt", HowTold("Sessions are in doubt (once a day)", None)
    REPORT = "report", HowTold("A household reports something, such as a lost card", None)
    BACKUP = (
        "backup",
        HowTold("A backup is missing", "There is a new backup", "/system", [Look.BACKUP]),
    )
    DISK = (
        "disk",
        HowTold(
            "The disk is nearly full",
            "The server has room to store again",
            "/system",
            [Look.DISK, Look.STORAGE],
            is_urgent=True,
        ),
    )
    EXCEEDED = (
        "exceeded",
        HowTold(
            "A circuit is above its limit",
            "The circuit is within its limit again",
            "/load",
            is_urgent=True,
        ),
    )
    METER = (
        "meter",
        HowTold("A meter of load management is silent", "The meter shows currents again", "/load"),
    )
    IGNORED = (
        "ignored",
        HowTold(
            "A charger does not obey its limit",
            "%(where)s no longer ignores its limit",
            "/load",
            [Look.IGNORED],
        ),
    )
    TOLD = (
        "told",
        HowTold(
            "A charger is told no more limits today",
            "%(where)s is told its limits again",
            "/load",
            [Look.TOLD],
        ),
    )
    PRICES = (
        "prices",
        HowTold(
            "Prices of a series are missing",
            "The prices are there again",
            "/tariffs",
            [Look.PRICES],
        ),
    )
    CERTIFICATE = (
        "certificate",
        HowTold(
            "A certificate ends soon",
            "The certificate of %(where)s is valid for long enough again",
            looks=[Look.CERTIFICATE],
        ),
    )
    BACKEND = (
        "backend",
        HowTold(
            "Another backend does not get everything",
            "The backend %(where)s gets everything again",
            "/backends",
        ),
    )
    FULL = "full", HowTold("The car is full", None, is_drivers=True)
    STOPPED = "stopped", HowTold("A session stopped early", None, is_drivers=True)
    UNPLUGGED = "unplugged", HowTold("The car was unplugged", None, is_drivers=True)
    STATEMENT = "statement", HowTold("A statement is ready", None, is_drivers=True)
    LIMIT = (
        "limit",
        HowTold("Four fifths of what we may use this month are used", None, is_drivers=True),
    )
    REMINDER = "reminder", HowTold("", None)
    """A statement is overdue; an owner asked for it."""


KINDS: Final = {str(kind): kind for kind in MessageKind}
DRIVER: Final = "driver"


def kinds_for(who: str) -> Mapping[str, str]:
    """Return what a recipient can choose, with its words."""
    return {
        kind: kind.how.choice
        for kind in MessageKind
        if kind.how.choice and kind.how.is_drivers is (who == DRIVER)
    }


OF_SITE: Final = kinds_for("owner")
"""For owners and caretakers."""
OF_DRIVER: Final = kinds_for(DRIVER)


class CausePlace(NamedTuple):
    """Where something lasts: a charger and its connector, 0 for the whole charger; "" for the
    server itself. A backend is named as if it were a charger."""

    charger: str
    connector: int = 0


class Condition(NamedTuple):
    """Something that lasts since a time. Only those of one `subject` have one cause. `words` are
    English."""

    kind: MessageKind
    subject: str
    place: CausePlace
    since: datetime
    words: str | None = None


class Span(NamedTuple):
    """Since when a part of a cause lasts, and until when it did."""

    since: datetime
    until: datetime | None = None


@record
class MessageCause:
    """What began at some places and has one reason. `id` is 0 before it is stored; `found_at` is
    when it was found."""

    id: int = 0
    kind: MessageKind
    subject: str
    parts: Mapping[CausePlace, Span] = field(default_factory=dict)
    words: str | None = None
    began_at: datetime
    found_at: datetime
    ended_at: datetime | None = None

    @property
    def lasting(self) -> list[CausePlace]:
        """Where it lasts at present."""
        return [place for place, span in self.parts.items() if span.until is None]

    @property
    def calm_since(self) -> datetime | None:
        """Since when nothing of it has lasted, None while something does."""
        ends = [span.until for span in self.parts.values() if span.until is not None]
        return max(ends) if len(ends) == len(self.parts) else None


CALM: Final = timedelta(minutes=5)
"""A cause is over when nothing of it has lasted for so long."""
LONGEST: Final = timedelta(minutes=10)
"""What began so long ago is told, even if more of it has just begun."""


def changed(
    known: Sequence[MessageCause],
    present: Sequence[Condition],
    now: datetime,
    unknown: Collection[MessageKind] = (),
) -> list[MessageCause]:
    """Return the causes that began, changed or ended, as they are now. `known` are those that have
    not ended; of the kinds that are `unknown` at present, nothing changes."""
    known = [cause for cause in known if cause.kind not in unknown]
    lasting: list[list[Condition]] = [[] for _ in known]
    new: list[Condition] = []
    for condition in present:
        number = _cause_of(condition, known, now)
        if number is None:
            new.append(condition)
        else:
            lasting[number].append(condition)

    changes: list[MessageCause] = []
    for before, conditions in zip(known, lasting, strict=True):
        parts: dict[CausePlace, Span] = {}
        for place, span in before.parts.items():
            parts[place] = span if span.until else Span(span.since, now)
        for condition in conditions:
            since = condition.since
            # A loose contact goes on; what comes back later begins anew.
            if _has(before, condition, now):
                since = before.parts[condition.place].since
            parts[condition.place] = Span(since)

        after = replace(before, parts=parts)
        calm = after.calm_since
        if calm is not None and now - calm >= CALM:
            after = replace(after, ended_at=calm)
        if after != before:
            changes.append(after)
    changes.extend(_begun(new, now))
    return changes


def _cause_of(condition: Condition, known: Sequence[MessageCause], now: datetime) -> int | None:
    """Return which cause a condition is a part of: one that has it already, or else one that began
    together with it."""
    joined: int | None = None
    for position, cause in enumerate(known):
        if cause.kind is not condition.kind:
            continue
        if _has(cause, condition, now):
            return position
        latest = max(span.since for span in cause.parts.values())
        is_together = abs(condition.since - latest) <= cause.kind.how.together
        if joined is None and cause.subject == condition.subject and is_together:
            joined = position
    return joined


def _has(cause: MessageCause, condition: Condition, now: datetime) -> bool:
    """Whether a condition lasts in a cause, or was over for so short a time that it is the same."""
    span = cause.parts.get(condition.place)
    if span is None:
        return False
    return span.until is None or now - span.until < CALM


def _begun(conditions: Sequence[Condition], now: datetime) -> Iterator[MessageCause]:
    """Yield the causes of conditions that have settled; others wait for the next look."""

    def order(condition: Condition) -> tuple[str, str, datetime, CausePlace]:
        return condition.kind, condition.subject, condition.since, condition.place

    # Each begins soon after the one before it: a dead switch takes its chargers one by one.
    chains: list[list[Condition]] = []
    for condition in sorted(conditions, key=order):
        if chains:
            last = chains[-1][-1]
            is_alike = (last.kind, last.subject) == (condition.kind, condition.subject)
            if is_alike and condition.since - last.since <= last.kind.how.together:
                chains[-1].append(condition)
                continue
        chains.append([condition])

    for chain in chains:
        first, last = chain[0], chain[-1]
        has_settled = now - last.since >= first.kind.how.settles
        if not has_settled and now - first.since < LONGEST:
            continue
        yield MessageCause(
            kind=first.kind,
            subject=first.subject,
            parts={condition.place: Span(condition.since) for condition in chain},
            words=first.words,
            began_at=first.since,
            found_at=now,
        )


_A_WEEK: Final = timedelta(days=6)


class MessageText(NamedTuple):
    """A subject, or the title of a push message, and what it says."""

    subject: str
    body: str


class Where(NamedTuple):
    """What texts are about: the names of chargers, which of them have several connectors, and the
    time here and now."""

    names: Mapping[str, str]
    with_connectors: Collection[str]
    zone: tzinfo
    now: datetime

    def name(self, charger: str) -> str:
        """Return the name of a charger."""
        return self.names.get(charger, charger)

    def at(self, place: CausePlace) -> str:
        """Return the name of a place."""
        name = self.name(place.charger)
        if place.connector and place.charger in self.with_connectors:
            return _(
                "%(charger)s, connector %(connector)s", charger=name, connector=place.connector
            )
        return name

    def time(self, moment: datetime) -> str:
        """Return a time: 18:04, Tue 18:04, 3 Nov 18:04."""
        local = in_zone(moment, self.zone)
        now = in_zone(self.now, self.zone)
        clock = f"{local:%H:%M}"
        if local.date() == now.date():
            return clock
        day = weekday(local) if now.date() - local.date() <= _A_WEEK else short_day(local)
        return f"{day} {clock}"


def begun(cause: MessageCause, where: Where) -> MessageText:
    """Return what is said when a cause has begun."""
    places = sorted(cause.lasting) or sorted(cause.parts)
    names = said(listed(where.at(place) for place in places))
    first = min(cause.parts[place].since for place in places)
    since = where.time(first)
    num = len(places)
    if cause.kind is MessageKind.AWAY:
        subject = _n("%(where)s is away", "%(num)s chargers are away", num, where=names)
        body = _n(
            "%(where)s has been away since %(since)s.",
            "%(num)s chargers have been away since %(since)s: %(where)s.",
            num,
            where=names,
            since=since,
        )
        # One charger may have a fault of its own.
        if num >= SEVERAL:
            reason = _("Probably the network there.")
            body = f"{body} {reason}"
        return MessageText(subject, body)
    if cause.kind is MessageKind.FAULTED:
        subject = _n("%(where)s is faulted", "%(num)s connectors are faulted", num, where=names)
        body = _n(
            "%(where)s has been faulted since %(since)s",
            "%(num)s connectors have been faulted since %(since)s (%(where)s)",
            num,
            where=names,
            since=since,
        )
        if cause.subject:
            body = f"{body}: {said(of_ocpp(cause.subject))}"
        return MessageText(subject, f"{body}.")
    words = said(cause.words or "", Reader(where.zone, where.now))
    return MessageText(words, _("%(words)s (since %(since)s).", words=words, since=since))


def over(cause: MessageCause, words: str | tuple[str, str], where: Where) -> MessageText:
    """Return what is said when a cause has ended, in the words of its kind."""
    names = said(listed(where.at(place) for place in sorted(cause.parts)))
    at = where.time(cause.ended_at or where.now)
    if isinstance(words, str):
        subject = _(words, where=names)
    else:
        subject = _n(*words, len(cause.parts), where=names)
    began = where.time(cause.began_at)
    body = _("%(words)s, from %(began)s until %(ended)s.", words=subject, began=began, ended=at)
    return MessageText(subject, body)


class DoubtsAt(NamedTuple):
    """A charger with doubtful sessions: how many, and since when."""

    charger: str
    sessions: int
    since: datetime


def digest(doubts: Sequence[DoubtsAt], where: Where) -> MessageText:
    """Return the digest of a day."""
    num = sum(at_charger.sessions for at_charger in doubts)
    names = said(listed(where.name(at_charger.charger) for at_charger in doubts))
    since = where.time(min(at_charger.since for at_charger in doubts))
    subject = _n("%(num)s session is in doubt", "%(num)s sessions are in doubt", num)
    body = _("%(words)s at %(where)s, since %(since)s.", words=subject, where=names, since=since)
    return MessageText(subject, body)


def of_owner(fact: Fact, where: Where, household: str | None) -> MessageText | None:
    """Return what an owner is told of a fact, None if nothing; `household` is its name, if it may
    stand there."""
    if isinstance(fact, OutcomeKnown):
        name = where.name(fact.charger or "")
        asked = _(COMMANDS.get(fact.action, fact.action))
        subject = _("%(where)s does not do what it was asked: %(asked)s", where=name, asked=asked)
        since = where.time(datetime.fromisoformat(fact.at))
        return MessageText(subject, _("%(words)s (%(since)s).", words=subject, since=since))
    if isinstance(fact, ChargerOdd):
        name = where.name(fact.charger or "")
        words = said(odd_words(fact.cause, name, fact.figure, fact.earlier))
        return MessageText(words, f"{words}.")
    if isinstance(fact, HouseholdReported):
        who = household or _("A household")
        at = where.time(datetime.fromisoformat(fact.at))
        about = "new card" if fact.about == "card" and fact.id_tag is None else fact.about
        subject = _(_REPORTED.get(about, _REPORTED["charger"]), who=who)
        return MessageText(subject, _("%(words)s (%(since)s).", words=subject, since=at))
    return None


COMMANDS: Final = N_(
    {
        "Reset": "start again",
        "RemoteStopTransaction": "stop a session",
        "ChangeAvailability": "be in or out of service",
        "ChangeConfiguration": "change a setting",
        "SetChargingProfile": "limit its power",
        "ClearChargingProfile": "lift a limit",
        "UnlockConnector": "unlock the cable",
        "UpdateFirmware": "install new firmware",
        "SignedUpdateFirmware": "install new firmware",
        "SendLocalList": "take the list of cards",
    }
)
"""Commands of which an owner is told that a charger does not obey: those that need nobody else,
such as a driver."""
_REPORTED: Final = N_(
    {
        "card": "%(who)s lost a card, which is blocked now",
        "new card": "%(who)s asks for a new card",
        "session": "%(who)s asks about a session",
        "statement": "%(who)s asks about a statement",
        "charger": "%(who)s reports something about a charger",
    }
)


class DriverSession(NamedTuple):
    """A session of a driver: its energy in Wh, why it ended, and a time of it: since when it is
    full, or its end."""

    energy_wh: int
    reason: str
    at: datetime


def of_session(kind: MessageKind, session: DriverSession, where: Where) -> MessageText:
    """Return what a driver is told of a session."""
    at = where.time(session.at)
    energy = _("%(number)s kWh", number=number(session.energy_wh / 1000, 1))
    if kind is MessageKind.FULL:
        subject = _("Your car is full")
        body = _("Your car has taken nothing since %(at)s: %(kwh)s.", at=at, kwh=energy)
        return MessageText(subject, body)
    if kind is MessageKind.UNPLUGGED:
        subject = _("Your car is unplugged")
        body = _("Your car was unplugged at %(at)s: %(kwh)s.", at=at, kwh=energy)
        return MessageText(subject, body)
    why = _(_REASONS.get(session.reason, _REASONS["Other"]))
    body = _("Your session stopped at %(at)s, %(why)s: %(kwh)s.", at=at, why=why, kwh=energy)
    return MessageText(_("Your session stopped early"), body)


_REASONS: Final = N_(
    {
        "EmergencyStop": "because somebody pressed the emergency stop",
        "PowerLoss": "because the power failed",
        "HardReset": "because the charger started again",
        "SoftReset": "because the charger started again",
        "Reboot": "because the charger started again",
        "UnlockCommand": "because the cable was unlocked",
        "DeAuthorized": "because the card may not charge any more",
        "Remote": "because it was stopped from elsewhere",
        "Other": "and the charger does not say why",
    }
)


def of_limit(fact: Fact) -> MessageText:
    """Return what a driver is told who has used most of what the month allows, or all of it."""
    if isinstance(fact, MonthLimitReached):
        subject = _("You have used what you may in this month")
        return MessageText(
            subject,
            _("You have used what you may in this month. Nothing more starts before it is over."),
        )
    subject = _("You have used four fifths of what you may in this month")
    return MessageText(subject, f"{subject}.")


def of_reminder(
    overdue: ClosedStatement, coded: int, sender: BillerRow | None, own: str | None
) -> MessageText:
    """Return what a household is told of a statement that it did not pay, in the owner's words if
    there are: with a greeting, how to pay, and who asks for it. The code on the paper asks for
    `coded`."""
    here = of_program(language())
    month = here.day(date.fromisoformat(f"{overdue.month}-01"), "month")
    day = here.day(date.fromisoformat(overdue.due_on or ""))
    amount = here.money(overdue.open, CURRENCIES[overdue.currency])
    number = overdue.printed_number
    subject = _("Reminder: statement %(number)s for %(month)s", number=number, month=month)
    words = own or _(
        "Perhaps this bill was overlooked. Please transfer what is open. If you have paid "
        "meanwhile, you need do nothing."
    )
    facts = _("%(amount)s open; the last day to pay was %(day)s.", amount=amount, day=day)
    if overdue.open != coded:
        facts += " " + _("The code on the statement asks for another sum: do not use it.")
    household = overdue.name or ""
    parts = [_("Dear %(household)s,", household=household), words, facts]
    if sender is not None:
        account = bank_accounts.grouped(sender.bank_account or "")
        reference = here.say("payment_reference", number=number, household=household)
        pay = {"payee": sender.name, "account": account, "bank": sender.bank_name}
        pay["reference"] = reference
        lines = [f"{here.say(word)}: {value}" for word, value in pay.items() if value]
        parts.append("\n".join(lines))
        parts.append("\n".join((sender.name, *address_lines(sender.address))))
    return MessageText(subject, "\n\n".join(parts))


def of_statement(month: date, *, is_attached: bool, is_supplement: bool = False) -> MessageText:
    """Return what a household is told of its statement, or of what was added to that."""
    name = f"{format_of(language()).months[month.month - 1]} {month.year}"
    if is_supplement:
        words = N_("What your statement for %(month)s lacked is attached. Keep both together.")
        subject = _("Supplement to your statement for %(month)s", month=name)
        return MessageText(subject, _(words, month=name))
    subject = _("Your statement for %(month)s", month=name)
    if is_attached:
        return MessageText(subject, _("Your statement for %(month)s is attached.", month=name))
    return MessageText(subject, _("Your statement for %(month)s is ready.", month=name))

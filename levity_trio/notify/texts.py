"""The texts of messages, in the language of the block: one sentence that says what, where and since
when.

A text to a driver has neither a name nor a place, because a stranger may read it over a shoulder;
only a reminder greets by name. One to an owner has the names of households only if he wants that.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, timedelta, tzinfo
from typing import Final, NamedTuple

from levity_trio.billing import bank_accounts
from levity_trio.billing.money import CURRENCIES
from levity_trio.documents.template import of_program
from levity_trio.events import ChargerOdd, Fact, HouseholdReported, MonthLimitReached, OutcomeKnown
from levity_trio.locale import N_, _, _n, language
from levity_trio.locale.formats import format_of, number, short_day, weekday
from levity_trio.locale.texts import Reader, said
from levity_trio.notify.causes import CausePlace, MessageCause
from levity_trio.notify.kinds import MessageKind
from levity_trio.store.billing.biller import address_lines
from levity_trio.store.reads.money.billing import BillerRow
from levity_trio.store.reads.money.statements import ClosedStatement
from levity_trio.store.reads.now.attention import odd_words
from levity_trio.store.reads.now.away import SEVERAL, listed
from levity_trio.wire.times import in_zone
from levity_trio.wire.words import of_ocpp

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


def of_reminder(overdue: ClosedStatement, sender: BillerRow | None, own: str | None) -> MessageText:
    """Return what a household is told of a statement that it did not pay, in the owner's words if
    there are: with a greeting, how to pay, and who asks for it."""
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
    if overdue.open != overdue.total:
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

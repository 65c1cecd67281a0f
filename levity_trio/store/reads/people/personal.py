"""What is known of an account besides its transactions, entries and statements, and what stands in
the way of deleting it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final, NamedTuple

from levity_trio.access.tags import Policy
from levity_trio.billing.money import CURRENCIES, units
from levity_trio.billing.months import Month
from levity_trio.records import record
from levity_trio.store.billing.drafting import Drafter, Plan, Terms, due, newest_revision
from levity_trio.store.billing.months import begun
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.cases.transaction import NO_PERSONS
from levity_trio.store.engine.database import Database, Rows, rows_of
from levity_trio.store.lookups.places import Owners, currency_of, standing_of
from levity_trio.store.reads.money import wallets
from levity_trio.store.reads.money.wallets import TermsRow, WalletRow
from levity_trio.store.reads.pages import Shape
from levity_trio.store.reads.people import households
from levity_trio.store.reads.people.driving import DriverReport, ReportFilters, reports
from levity_trio.store.reads.people.households import (
    Account,
    Belonging,
    LoginRow,
    TagRow,
    UserRow,
    Vehicle,
    belongings_of,
    periods,
)
from levity_trio.store.reads.people.messages import (
    MessageRow,
    RecipientRow,
    messages_of_account,
    recipients_of,
)
from levity_trio.store.reads.transactions.transactions import TransactionEvent, events_of
from levity_trio.told import N_, Amount, Moment, Told, joined
from levity_trio.wire.times import in_zone, stamp

NAMED: Final = 5
MOST_MESSAGES: Final = 10_000
_STILL: Final = (
    "SELECT what, coalesce(id_tag, key), conn_id FROM ownership "
    "WHERE account_id = ? AND voided_at IS NULL AND coalesce(until, '9999') > ? "
    "ORDER BY id"
)
_OPEN: Final = "SELECT id FROM tx INDEXED BY tx_open WHERE status = 'Active'"


class Obstacle(NamedTuple):
    """Why nothing personal is deleted yet, and what to do. Work that is not billed may be left
    so."""

    words: str
    may_be_forced: bool = False


@record
class PersonalDeletion:
    """What was personal of an account was deleted, by whom and why.

    Closed statements keep their names for `keep_years` after their month. `named_statements` still
    have them.
    """

    account: int
    keep_years: int
    reason: str
    deleted_at: str
    deleted_by: str
    named_statements: int


_NAMED_STATEMENTS: Final = (
    "(SELECT count(*) FROM statement JOIN statement_party ON statement_id = statement.id WHERE "
    "statement.account_id = personal_deletion.account_id AND number IS NOT NULL AND party IS NOT "
    "NULL)"
)
_DELETION: Final = Shape(PersonalDeletion, account="account_id", named_statements=_NAMED_STATEMENTS)


def deletion(db: Database, account: int) -> PersonalDeletion | None:
    """Return what was deleted of an account, None if nothing was."""
    return _DELETION.one(db, "FROM personal_deletion WHERE account_id = ?", (account,))


def obstacles(db: Database, account: int, rule: Rule, now: datetime) -> list[Obstacle]:
    """Return what is in the way, in the order in which it is to be done; nothing for an unknown
    account."""
    rows, at = rows_of(db), stamp(now)
    ends = rows("SELECT until FROM account WHERE id = ?", (account,))
    if not ends:
        return []
    until = ends[0][0]
    if until is None:
        return [Obstacle(Told("it is open; close it: levity-trio household close {1}", account))]
    if until > at:
        return [Obstacle(Told("it is open until {1}; wait until then", Moment(until)))]
    return [
        *_still_owned(rows, account, at),
        *_charging(rows, account, rule),
        *_unbilled(rows, account, rule, at, until),
        *_owing(rows, account),
    ]


_OWNED: Final = N_(
    {
        "tag": "a card still belongs to it; take it: {1}",
        "space": "a space still belongs to it; take it: {1}",
        "vehicle": "a car still belongs to it; take it: {1}",
    }
)
_OPTIONS: Final = {"tag": "--card", "space": "--charger", "vehicle": "--car"}


def _still_owned(rows: Rows, account: int, at: str) -> Iterator[Obstacle]:
    for what, key, connector in rows(_STILL, (account, at)):
        option = f"{_OPTIONS[what]} {key}"
        of_charger = f" --connector {connector}" if connector else ""
        words = f"levity-trio household take {account} {option}{of_charger}"
        yield Obstacle(Told(_OWNED[what], words))


def _charging(rows: Rows, account: int, rule: Rule) -> Iterator[Obstacle]:
    owners = Owners(rows, rule.policy, rule.bill_by)
    for number, owner in owners.decide([number for (number,) in rows(_OPEN, ())]).items():
        if owner.account == account:
            words = Told(
                "its session {1} is open; wait for its end, or close it: levity-trio close {1}",
                number,
            )
            yield Obstacle(words)


def _unbilled(rows: Rows, account: int, rule: Rule, at: str, until: str) -> Iterator[Obstacle]:
    """Yield what its next statement would say. One that ends within the open month is billed early,
    if all fits."""
    known = begun(rows)
    if known is None:
        return
    end = datetime.fromisoformat(until) - datetime.resolution
    last = Month.of(in_zone(end, rule.zone).date())
    month = max(last, known.open_month)
    plan = Plan(known, month, account, Terms(rule, 0), at, newest_revision(rows))
    every = _positions(rows, plan, account)
    if not every:
        return
    named = joined(", ", every[:NAMED])
    if len(every) > NAMED:
        named = Told("{1} and more", named)
    how: str = f"levity-trio bill close {month}"
    if last == month:
        early = _positions(rows, replace(plan, until=until), account)
        how = (
            f"{how} --household {account}"
            if early == every
            else Told(
                "{1}, when {2} is over; an early bill would not have all of it, because some ended "
                "after the household did; move its end: levity-trio household close {3} --until "
                "TIME",
                *(how, str(month), account),
            )
        )
    yield Obstacle(Told("it is not billed for: {1}; bill it: {2}", named, how), may_be_forced=True)


def _positions(rows: Rows, plan: Plan, account: int) -> list[Told]:
    """Return what the statement of an account would have, in words."""
    drafted = Drafter(rows, plan).draft(account, due(rows, plan)[account])
    rows_of_all = [row for one in drafted for row in one.positions]
    return [joined(" ", (Told(row.kind), row.tx_id or str(row.month))) for row in rows_of_all]


def _owing(rows: Rows, account: int) -> Iterator[Obstacle]:
    standing = standing_of(rows, account)
    if standing.reserved:
        words = Told(
            "its charging was not charged to its wallet yet; confirm or correct what waits for a "
            "review"
        )
        yield Obstacle(words)
    currency = currency_of(rows)
    if standing.balance and currency is not None:
        told = Amount(units(abs(standing.balance), CURRENCIES[currency]), currency)
        template = N_("it has {1} in its favour; pay it out: levity-trio wallet refund {2}")
        if standing.balance < 0:
            template = N_("it owes {1}; enter the payment: levity-trio wallet pay {2}")
        yield Obstacle(Told(template, told, account))


@record
class OwnName:
    """What a household itself calls a tag, by its normal form, or a vehicle, by its number
    (`key`)."""

    what: str
    key: str
    name: str
    set_at: str


_OWN_NAME: Final = Shape(OwnName)


@record
class PersonalData:
    """An account, what belonged to it and when, what its tags were while they were its own, and
    what it called them and its vehicles. Its drivers, their log-ins, what they reported, and whom
    of it messages were sent to."""

    account: Account
    belongings: list[Belonging]
    tags: list[TagRow]
    vehicles: list[Vehicle]
    own_names: list[OwnName]
    wallet: WalletRow | None
    terms: list[TermsRow]
    drivers: list[UserRow]
    logins: list[LoginRow]
    reports: list[DriverReport]
    recipients: list[RecipientRow]
    messages: list[MessageRow]
    deletion: PersonalDeletion | None


def about(db: Database, account: int, policy: Policy) -> PersonalData | None:
    """Return what is known about an account, None if there is none."""
    row = households.household(db, account)
    if row is None:
        return None
    belongings = belongings_of(db, account, which="1 = 1")
    vehicles = [
        households.vehicle(db, one)
        for one in sorted({one.vehicle for one in belongings if one.vehicle})
    ]
    return PersonalData(
        account=row,
        belongings=belongings,
        tags=list(_tags(db, belongings, policy)),
        vehicles=[one for one in vehicles if one is not None],
        own_names=_OWN_NAME.every(
            db, "FROM own_name WHERE account_id = ? ORDER BY what, key", (account,)
        ),
        wallet=wallets.wallet(db, account),
        terms=wallets.terms(db, account),
        drivers=households.drivers_of(db, account),
        logins=households.logins_of(db, account),
        reports=reports(db, ReportFilters(account=account)),
        recipients=recipients_of(db, account),
        messages=messages_of_account(db, account, MOST_MESSAGES),
        deletion=deletion(db, account),
    )


def _tags(db: Database, belongings: Sequence[Belonging], policy: Policy) -> Iterator[TagRow]:
    owned = defaultdict[str, list[tuple[str, str]]](list)
    for one in belongings:
        if one.tag is not None and one.voided_at is None:
            owned[policy.key(one.tag)].append((one.since, one.until or "9999"))
    for key, spans in sorted(owned.items()):
        for row in periods(db, key):
            begun, ended = row.created_at, row.ended_at or "9999"
            if any(begun < until and ended > since for since, until in spans):
                yield row


def decided(db: Database, transactions: Sequence[int]) -> list[tuple[int, TransactionEvent]]:
    """Return what people decided about some transactions."""
    return [
        (tx, one) for tx in transactions for one in events_of(db, tx) if one.who not in NO_PERSONS
    ]

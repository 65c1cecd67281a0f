"""Review: what needs a person's eye, each with what is known and the sensible answers; sessions of
one charger with one cause get one decision, with the figure that each would get.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Final
from urllib.parse import quote

from levity_trio.locale import N_, _
from levity_trio.locale.texts import said
from levity_trio.records import record
from levity_trio.store.reads.chargers import security
from levity_trio.store.reads.chargers.charger_facts import SetAsideMessage
from levity_trio.store.reads.chargers.chargers import is_known, names
from levity_trio.store.reads.chargers.security import Newcomer
from levity_trio.store.reads.pages import WantedPage
from levity_trio.store.reads.people import tags
from levity_trio.store.reads.people.reports import ReportFilters as Reports
from levity_trio.store.reads.people.reports import WaitingReport, waiting_reports
from levity_trio.store.reads.people.tags import AskedTag
from levity_trio.store.reads.transactions import review_groups
from levity_trio.store.reads.transactions.billed import OLDEST, billed_transactions
from levity_trio.store.reads.transactions.review_groups import (
    GroupPreview,
    NextSession,
    PageOf,
    ReviewGroup,
)
from levity_trio.store.reads.transactions.review_queue import (
    Counts,
    FittingTransaction,
    Review,
    ReviewItem,
    counts,
    to_review,
)
from levity_trio.store.reads.transactions.review_queue import Kind as Counted
from levity_trio.store.reads.transactions.transactions import Transaction, TransactionFilters
from levity_trio.told import Told
from levity_trio.web.api.engine.endpoints import Role
from levity_trio.web.api.engine.problems import not_found
from levity_trio.web.dashboard.doubts import DoubtInWords, doubt
from levity_trio.web.dashboard.page import (
    Changed,
    DashboardPage,
    LivePart,
    PageView,
    Values,
    reading,
)
from levity_trio.web.dashboard.shapes import kilowatts, kwh
from levity_trio.web.dashboard.snapshots import Look
from levity_trio.web.dashboard.words import after_colon

REVIEW: Final = "/api/admin/review"
OF_OPERATORS: Final = ("message", "report")
"""Kinds that viewers do not see."""
AT_ONCE: Final = 25
"""Sessions of a group that a page shows: with more, it is too large for a phone."""
PAGE: Final = re.compile("[1-9][0-9]{0,5}")
NAMED: Final = 4
"""Households of a group that are named; of more, the number is told."""
REPORTED: Final = N_("as reported")
FEW, MANY, ALL = 10, 50, 500
"""The entries of each kind where all kinds are shown; of one kind; of what is listed whole."""
CANDIDATES: Final = 2
"""Other figures that are offered as buttons."""
EXACT: Final = 3


@record
class OtherFigure:
    """Another figure that a session may have, and the explanation that gives it."""

    wh: int
    words: str


@record
class SessionEntry:
    """A doubtful session. `answers` are those that the API offers about it; `digits` tell its
    figures apart."""

    template: str = "session"
    tx: Transaction
    place: str
    who: str | None
    event: int | None = None
    reviews: Sequence[tuple[Review, DoubtInWords]] = ()
    answers: frozenset[str] = frozenset()
    others: Sequence[OtherFigure] = ()
    dismissible: Sequence[int] = ()
    digits: int = 1

    @property
    def reason(self) -> str:
        """What is proposed as the reason of a decision."""
        return "; ".join(
            dict.fromkeys(
                _("looked at: %(doubt)s", doubt=after_colon(one.title)) for __, one in self.reviews
            )
        )


@record
class GroupEntry:
    """Sessions of one charger with one cause."""

    template: str = "group"
    group: ReviewGroup
    place: str
    title: str
    households: Sequence[str]
    more: int

    @property
    def path(self) -> str:
        return path_of(self.group.charger, self.group.cause)


def path_of(charger: str, cause: str) -> str:
    """Return the path of the page of a group."""
    return f"/review/{quote(charger, safe='')}/{quote(cause)}"


@record
class MessageEntry:
    """A message that is not linked to a session, and those to which it can be."""

    template: str = "message"
    message: SetAsideMessage
    place: str
    fitting: Sequence[FittingTransaction]
    answers: frozenset[str]

    @property
    def sent(self) -> str:
        """What the charger sent, in lines."""
        payload = self.message.payload
        return (
            payload
            if isinstance(payload, str)
            else json.dumps(payload, indent=2, ensure_ascii=False)
        )


@record
class UnknownCardEntry:
    """An unknown card, and where it was held to a charger last."""

    template: str = "tag"
    asked: AskedTag
    place: str


@record
class ReportEntry:
    """What a household reported."""

    template: str = "report"
    report: WaitingReport
    place: str | None


@record
class NewcomerEntry:
    """A charger that waits to be adopted."""

    template: str = "charger"
    newcomer: Newcomer


Entry = SessionEntry | GroupEntry | MessageEntry | UnknownCardEntry | ReportEntry | NewcomerEntry


@record
class EntriesOfKind:
    """Entries of one kind, the oldest first. `covered` is how many they stand for, if that is not
    their number."""

    entries: Sequence[Entry]
    cursor: str | None = None
    covered: int | None = None

    @property
    def number(self) -> int:
        return len(self.entries) if self.covered is None else self.covered


@record
class EntryKind:
    """A kind of entries. `counted` is its name in the counts of the API."""

    name: str
    title: str
    counted: str
    read: Callable[[Look, PageView, int], EntriesOfKind]

    def of(self, waiting: Counts) -> Counted:
        """Return how many of it wait."""
        found: Counted = getattr(waiting, self.counted)
        return found


@record
class KindSection:
    """What is shown of a kind."""

    kind: EntryKind
    count: int
    found: EntriesOfKind


# What is read


def _sessions(look: Look, view: PageView, most: int) -> EntriesOfKind:
    chargers, wanted = look(names), WantedPage(limit=most, cursor=view.query.get("cursor"))
    if not view.may("GET", REVIEW):
        page = look(billed_transactions, TransactionFilters(review=True), wanted, OLDEST)
        shown = [
            SessionEntry(tx=one, place=chargers.get(one.charger, one.charger), who=one.id_tag)
            for one in page.data
        ]
        return EntriesOfKind(entries=shown, cursor=page.next_cursor)
    queue = look(to_review, None, "transaction", wanted, is_newest_first=False, is_alone=True)
    groups = [one for one in look(review_groups.groups) if one.count > 1]
    alone = [(one, one.transaction) for one in queue.data if one.transaction is not None]
    entries: list[Entry] = [
        *(_group(one, chargers) for one in groups),
        *(
            _session(one, tx, chargers.get(tx.charger, tx.charger), _who(look, view, tx.id_tag))
            for one, tx in alone
        ),
    ]
    covered = len(queue.data) + sum(one.count for one in groups)
    return EntriesOfKind(entries=entries, cursor=queue.next_cursor, covered=covered)


def _group(group: ReviewGroup, chargers: Mapping[str, str]) -> GroupEntry:
    """Return what several sessions have in common."""
    return GroupEntry(
        group=group,
        place=chargers.get(group.charger, group.charger),
        title=_title(group.codes),
        households=group.households[:NAMED],
        more=max(0, len(group.households) - NAMED),
    )


def _title(codes: Sequence[str]) -> str:
    return ", ".join(doubt(code).title for code in codes)


def _who(look: Look, view: PageView, id_tag: str | None) -> str | None:
    """Return whose a card is, else what it is called."""
    server = view.api.server
    return id_tag and (
        look(tags.name_of, server.id_tags.policy.key(id_tag), server.stamp()) or id_tag
    )


def _session(item: ReviewItem, tx: Transaction, place: str, who: str | None) -> SessionEntry:
    others = _others(item, tx.energy_wh)
    figures = [tx.energy_wh, *(other.wh for other in others)]
    return SessionEntry(
        tx=tx,
        place=place,
        who=who,
        event=item.event,
        reviews=[(one, doubt(one.code)) for one in item.reviews],
        answers=frozenset(one.answer for one in item.answers),
        others=others,
        dismissible=[one.id for one in item.answers if one.subject == "reviews"],
        digits=1 if len({kwh(wh) for wh in figures}) == len(figures) else EXACT,
    )


def _others(item: ReviewItem, proposed: int | None) -> list[OtherFigure]:
    """Return the other figures that the reviews of an ended session name, each once."""
    others: dict[int | None, str] = {}
    for review in item.reviews:
        for words, wh in (review.figures or {}).items():
            others.setdefault(wh, words)
    others.pop(proposed, None)
    return [OtherFigure(wh=wh, words=words) for wh, words in others.items() if wh is not None][
        :CANDIDATES
    ]


def _messages(look: Look, view: PageView, most: int) -> EntriesOfKind:
    chargers, wanted = look(names), WantedPage(limit=most, cursor=view.query.get("cursor"))
    page = look(to_review, None, "message", wanted, is_newest_first=False)
    entries = [
        MessageEntry(
            message=one.message,
            place=chargers.get(one.charger, one.charger),
            fitting=one.fitting,
            answers=frozenset(answer.answer for answer in one.answers),
        )
        for one in page.data
        if one.message is not None
    ]
    return EntriesOfKind(entries=entries, cursor=page.next_cursor)


def _newcomers(look: Look, _view: PageView, most: int) -> EntriesOfKind:
    found = look(security.newcomers, WantedPage(limit=ALL), is_waiting=True).data
    return EntriesOfKind(
        entries=[
            NewcomerEntry(newcomer=one)
            for one in sorted(found, key=attrgetter("waiting_since"))[:most]
        ]
    )


def _tags(look: Look, view: PageView, most: int) -> EntriesOfKind:
    chargers, found = look(names), look(tags.asked_tags, view.api.server.stamp())
    oldest = sorted(found, key=attrgetter("first_at"))[:most]
    return EntriesOfKind(
        entries=[
            UnknownCardEntry(asked=one, place=chargers.get(one.charger, one.charger))
            for one in oldest
        ]
    )


def _reports(look: Look, _view: PageView, most: int) -> EntriesOfKind:
    found = look(waiting_reports, Reports(is_waiting=True))
    return EntriesOfKind(
        entries=[
            ReportEntry(report=one, place=one.charger_name or one.charger)
            for one in found[::-1][:most]
        ]
    )


KINDS: Final = N_(
    (
        EntryKind(name="report", title="From households", counted="reports", read=_reports),
        EntryKind(
            name="session", title="Sessions in doubt", counted="transactions", read=_sessions
        ),
        EntryKind(
            name="message", title="Messages without a session", counted="messages", read=_messages
        ),
        EntryKind(name="charger", title="New chargers", counted="newcomers", read=_newcomers),
        EntryKind(name="tag", title="Unknown cards", counted="asked_tags", read=_tags),
    )
)


# The page


def _chosen(view: PageView) -> tuple[EntryKind, ...]:
    """Return the kinds that are shown: one, or all."""
    named = tuple(one for one in KINDS if one.name == view.query.get("kind"))
    return named or KINDS


def _shown(view: PageView) -> tuple[EntryKind, ...]:
    """Return the kinds that a reader may see."""
    return tuple(one for one in KINDS if one.name not in OF_OPERATORS or view.may("GET", REVIEW))


def _queues(look: Look, view: PageView) -> Values:
    waiting, chosen, shown = look(counts), _chosen(view), _shown(view)
    most = FEW if len(chosen) > 1 else MANY
    sections = [
        KindSection(kind=one, count=one.of(waiting).count, found=one.read(look, view, most))
        for one in chosen
        if one in shown
    ]
    return {
        "queues": [one for one in sections if one.found.entries],
        "kinds": [(one, one.of(waiting).count) for one in shown],
        "total": _total(view, waiting),
        "chosen": chosen[0].name if len(chosen) == 1 else "",
        "here": f"/review?kind={chosen[0].name}" if len(chosen) == 1 else "/review",
        "seen": max((at for one in shown for at in one.of(waiting).newest), default=""),
        "may_decide": view.may("POST", "/api/admin/transactions/{id}/confirm"),
        "news": _news(view, waiting),
    }


async def _live(view: PageView, _changed: Changed) -> Sequence[LivePart]:
    return [_news(view, await view.look(_counts))]


def _counts(look: Look) -> Counts:
    return look(counts)


# One decision for one cause


@record
class FigureChoice:
    """A figure that each session of a group can get: what it is called, and its name in a link; ""
    is the proposed one."""

    name: str
    words: str


@record
class Next:
    """What becomes of the next session: in words, and the habit that somebody may decide about."""

    words: str
    habit: int | None
    asks: bool


async def _read_group(view: PageView) -> Values:
    charger, cause, page = view.path["charger"], view.path["cause"], view.query.get("page", "1")
    group = await view.look(_preview, charger, cause, int(page) if PAGE.fullmatch(page) else 1)
    choices = _choices(group.totals)
    take = view.query.get("take", "")
    chosen = take if take in {one.name for one in choices} else ""
    title = _title(group.codes)
    return {
        "group": group,
        "title": title,
        "doubts": [(code, doubt(code)) for code in group.codes],
        "place": group.charger_name or charger,
        "sessions": [(one, one.figures[chosen] if chosen else one.energy_wh) for one in group.data],
        "at_once": AT_ONCE,
        "total_wh": group.totals[chosen],
        "pages": -(-group.count // AT_ONCE),
        "reported": REPORTED,
        "choices": choices,
        "chosen": chosen,
        "reason": _("looked at: %(doubt)s", doubt=title.lower()),
        "here": path_of(charger, cause),
        "nexts": [*_nexts(group)],
    }


def _preview(look: Look, charger: str, cause: str, page: int) -> GroupPreview:
    """Raises Problem."""
    if not look(is_known, charger):
        raise not_found(Told("charger {1}", charger))
    if (found := look(review_groups.preview, charger, cause, PageOf(page, AT_ONCE))) is None:
        raise not_found(Told("cause {1}", cause))
    return found


def _choices(totals: Mapping[str, int]) -> Sequence[FigureChoice]:
    """Return the figures that all sessions have; without those that come to the same as the
    proposed ones."""
    others = [name for name, wh in totals.items() if name and wh != totals[""]]
    return [
        FigureChoice(name="", words=_("as proposed")),
        *(FigureChoice(name=one, words=said(one)) for one in others),
    ]


def _nexts(group: GroupPreview) -> Iterator[Next]:
    """Yield what becomes of the next session, once for connectors of which the same is said."""
    is_several = len(group.codes) > 1
    found: dict[str, Next] = {}
    for one in group.next:
        words = _next_words(one)
        words = f"{doubt(one.code).title}: {words}" if is_several else words
        habit = one.habit if one.outcome in ("certain", "asks") else None
        if habit is not None and one.connector > 1:
            words = _("Connector %(connector)s: %(words)s", connector=one.connector, words=words)
        found.setdefault(words, Next(words=words, habit=habit, asks=one.outcome == "asks"))
    yield from found.values()


def _next_words(one: NextSession) -> str:
    """Return what becomes of the next session; the API says how it is found."""
    if one.outcome == "certain":
        return _(
            "You will not be asked about it. The server knows this habit: %(shown)s sessions "
            "showed it, each confirmed by its power or the car's battery. The corrected figure is "
            "billed unless something else speaks against it.",
            shown=one.shown,
        )
    if one.outcome == "asks":
        return _(
            "It will wait for you, because %(who)s wants to be asked. The habit is known.",
            who=one.asks_by,
        )
    if one.outcome == "learns":
        return _(
            "It will wait for you. %(shown)s of %(needed)s sessions have shown this habit, "
            "confirmed by their power or the car's battery. After %(needed)s, the server stops "
            "asking.",
            shown=one.shown,
            needed=one.needed,
        )
    if one.ceiling_w is not None:
        words = N_(
            "It will wait for you if it is faster than %(kw)s kW, the highest power known of this "
            "connector."
        )
        return _(words, kw=kilowatts(one.ceiling_w))
    return _("It will wait for you again.")


# The count beside the entry of the navigation


COUNTS: Final = f"{REVIEW}/counts"


async def count_part(view: PageView) -> LivePart | None:
    """Return the number of what waits, for the navigation of every page; None for those who decide
    nothing here."""
    if not view.may("GET", COUNTS):
        return None
    return LivePart(
        "waiting", "review/count.html", {"count": _total(view, await view.look(_counts))}
    )


def _total(view: PageView, waiting: Counts) -> int:
    return sum(one.of(waiting).count for one in _shown(view))


def _news(view: PageView, waiting: Counts) -> LivePart:
    """Return the times since when the newest entries wait: the browser counts those after what the
    page shows."""
    times = [at for one in _chosen(view) if one in _shown(view) for at in one.of(waiting).newest]
    return LivePart("review-times", "review/times.html", {"times": sorted(times)})


PAGES: Final = N_(
    (
        DashboardPage(
            "/review",
            "Review",
            "review.html",
            reading(_queues),
            help="tasks/a-session-in-doubt",
            live=_live,
            section="Review",
        ),
        DashboardPage(
            "/review/{charger}/{cause}",
            "Sessions with one cause",
            "review/several.html",
            _read_group,
            help="tasks/a-session-in-doubt",
            role=Role.OPERATOR,
            section="Review",
        ),
    )
)

"""Review: what needs a person's eye, each with what is known and the sensible answers; sessions of
one charger with one cause get one decision, with the figure that each would get.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Final
from urllib.parse import quote

from levity_trio.locale import N_, _
from levity_trio.locale.texts import said
from levity_trio.records import record
from levity_trio.store.reads.chargers import security
from levity_trio.store.reads.chargers.chargers import SetAsideMessage, is_known, names
from levity_trio.store.reads.chargers.security import Newcomer
from levity_trio.store.reads.pages import WantedPage
from levity_trio.store.reads.people import households
from levity_trio.store.reads.people.driving import ReportFilters as Reports
from levity_trio.store.reads.people.driving import WaitingReport, waiting_reports
from levity_trio.store.reads.people.households import AskedTag
from levity_trio.store.reads.transactions import reviews
from levity_trio.store.reads.transactions.costs import OLDEST, billed_transactions
from levity_trio.store.reads.transactions.reviews import (
    Counts,
    FittingTransaction,
    GroupPreview,
    NextSession,
    PageOf,
    Review,
    ReviewGroup,
    ReviewItem,
    counts,
    to_review,
)
from levity_trio.store.reads.transactions.reviews import Kind as Counted
from levity_trio.store.reads.transactions.transactions import Transaction, TransactionFilters
from levity_trio.told import Told
from levity_trio.web.api.engine.endpoints import Role
from levity_trio.web.api.engine.problems import not_found
from levity_trio.web.dashboard.doubts import DoubtInWords, doubt
from levity_trio.web.dashboard.page import (
    Changed,
    DashboardPage,
    LivePart,
    Look,
    PageView,
    Values,
    reading,
)
from levity_trio.web.dashboard.shapes import kilowatts, kwh
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
        reasons: dict[str, None] = {}
        for _review, words in self.reviews:
            reasons[_("looked at: %(doubt)s", doubt=after_colon(words.title))] = None
        return "; ".join(reasons)


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
        if isinstance(payload, str):
            return payload
        return json.dumps(payload, indent=2, ensure_ascii=False)


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
        counted: Counted = getattr(waiting, self.counted)
        return counted


@record
class KindSection:
    """What is shown of a kind."""

    kind: EntryKind
    count: int
    found: EntriesOfKind


# What is read


def _sessions(look: Look, view: PageView, most: int) -> EntriesOfKind:
    chargers = look(names)
    wanted = WantedPage(limit=most, cursor=view.cursor)
    entries: list[Entry] = []
    if not view.may("GET", REVIEW):
        page = look(billed_transactions, TransactionFilters(review=True), wanted, OLDEST)
        for session in page.data:
            place = chargers.get(session.charger, session.charger)
            entries.append(SessionEntry(tx=session, place=place, who=session.id_tag))
        return EntriesOfKind(entries=entries, cursor=page.next_cursor)

    # Sessions with one cause are one entry, which stands for all of them.
    queue = look(to_review, None, "transaction", wanted, is_newest_first=False, is_alone=True)
    covered = len(queue.data)
    for group in look(reviews.groups):
        if group.count <= 1:
            continue
        covered += group.count
        entry = GroupEntry(
            group=group,
            place=chargers.get(group.charger, group.charger),
            title=_title(group.codes),
            households=group.households[:NAMED],
            more=max(0, len(group.households) - NAMED),
        )
        entries.append(entry)

    server = view.api.server
    for item in queue.data:
        tx = item.transaction
        if tx is None:
            continue
        # Whose its card is, else what it is called.
        who = tx.id_tag
        if who:
            key = server.id_tags.policy.key(who)
            who = look(households.name_of, key, server.stamp()) or who
        place = chargers.get(tx.charger, tx.charger)
        entries.append(_session(item, tx, place, who))
    return EntriesOfKind(entries=entries, cursor=queue.next_cursor, covered=covered)


def _title(codes: Sequence[str]) -> str:
    return ", ".join(doubt(code).title for code in codes)


def _session(item: ReviewItem, tx: Transaction, place: str, who: str | None) -> SessionEntry:
    # The figures that the reviews of an ended session name, each once.
    words_of: dict[int | None, str] = {}
    for review in item.reviews:
        for words, wh in (review.figures or {}).items():
            words_of.setdefault(wh, words)
    words_of.pop(tx.energy_wh, None)
    others = [OtherFigure(wh=wh, words=words) for wh, words in words_of.items() if wh is not None]
    others = others[:CANDIDATES]

    # Figures that look the same are written to the Wh.
    figures = [tx.energy_wh, *(other.wh for other in others)]
    written = {kwh(wh) for wh in figures}
    return SessionEntry(
        tx=tx,
        place=place,
        who=who,
        event=item.event,
        reviews=[(review, doubt(review.code)) for review in item.reviews],
        answers=frozenset(answer.answer for answer in item.answers),
        others=others,
        dismissible=[answer.id for answer in item.answers if answer.subject == "reviews"],
        digits=1 if len(written) == len(figures) else EXACT,
    )


def _messages(look: Look, view: PageView, most: int) -> EntriesOfKind:
    chargers = look(names)
    wanted = WantedPage(limit=most, cursor=view.cursor)
    page = look(to_review, None, "message", wanted, is_newest_first=False)
    entries: list[Entry] = []
    for item in page.data:
        if item.message is not None:
            entry = MessageEntry(
                message=item.message,
                place=chargers.get(item.charger, item.charger),
                fitting=item.fitting,
                answers=frozenset(answer.answer for answer in item.answers),
            )
            entries.append(entry)
    return EntriesOfKind(entries=entries, cursor=page.next_cursor)


def _newcomers(look: Look, _view: PageView, most: int) -> EntriesOfKind:
    newcomers = look(security.newcomers, WantedPage(limit=ALL), is_waiting=True).data
    oldest = sorted(newcomers, key=attrgetter("waiting_since"))[:most]
    return EntriesOfKind(entries=[NewcomerEntry(newcomer=newcomer) for newcomer in oldest])


def _tags(look: Look, view: PageView, most: int) -> EntriesOfKind:
    chargers = look(names)
    asked_tags = look(households.asked_tags, view.api.server.stamp())
    entries: list[Entry] = []
    for asked in sorted(asked_tags, key=attrgetter("first_at"))[:most]:
        place = chargers.get(asked.charger, asked.charger)
        entries.append(UnknownCardEntry(asked=asked, place=place))
    return EntriesOfKind(entries=entries)


def _reports(look: Look, _view: PageView, most: int) -> EntriesOfKind:
    newest_first = look(waiting_reports, Reports(is_waiting=True))
    oldest = newest_first[::-1][:most]
    return EntriesOfKind(
        entries=[
            ReportEntry(report=report, place=report.charger_name or report.charger)
            for report in oldest
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
    named = tuple(kind for kind in KINDS if kind.name == view.query.get("kind"))
    return named or KINDS


def _shown(view: PageView) -> tuple[EntryKind, ...]:
    """Return the kinds that a reader may see."""
    sees_all = view.may("GET", REVIEW)
    return tuple(kind for kind in KINDS if sees_all or kind.name not in OF_OPERATORS)


def _queues(look: Look, view: PageView) -> Values:
    waiting = look(counts)
    chosen = _chosen(view)
    shown = _shown(view)
    most = FEW if len(chosen) > 1 else MANY
    queues: list[KindSection] = []
    for kind in chosen:
        if kind in shown:
            found = kind.read(look, view, most)
            if found.entries:
                count = kind.of(waiting).count
                queues.append(KindSection(kind=kind, count=count, found=found))

    name = chosen[0].name if len(chosen) == 1 else ""
    newest = [at for kind in shown for at in kind.of(waiting).newest]
    return {
        "queues": queues,
        "kinds": [(kind, kind.of(waiting).count) for kind in shown],
        "total": _total(view, waiting),
        "chosen": name,
        "here": f"/review?kind={name}" if name else "/review",
        "seen": max(newest, default=""),
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
    charger = view.path["charger"]
    cause = view.path["cause"]
    page = view.query.get("page", "1")
    number = int(page) if PAGE.fullmatch(page) else 1
    group = await view.look(_preview, charger, cause, number)

    # Figures that come to the same as the proposed ones are no choice.
    choices = [FigureChoice(name="", words=_("as proposed"))]
    for name, wh in group.totals.items():
        if name and wh != group.totals[""]:
            choices.append(FigureChoice(name=name, words=said(name)))
    chosen = view.query.get("take", "")
    if chosen not in {choice.name for choice in choices}:
        chosen = ""
    sessions = [
        (session, session.figures[chosen] if chosen else session.energy_wh)
        for session in group.data
    ]

    title = _title(group.codes)
    return {
        "group": group,
        "title": title,
        "doubts": [(code, doubt(code)) for code in group.codes],
        "place": group.charger_name or charger,
        "sessions": sessions,
        "at_once": AT_ONCE,
        "total_wh": group.totals[chosen],
        "pages": -(-group.count // AT_ONCE),
        "reported": REPORTED,
        "choices": choices,
        "chosen": chosen,
        "reason": _("looked at: %(doubt)s", doubt=title.lower()),
        "here": path_of(charger, cause),
        "nexts": _nexts(group),
    }


def _preview(look: Look, charger: str, cause: str, page: int) -> GroupPreview:
    """Return a page of the sessions of a group. Raises Problem."""
    if not look(is_known, charger):
        raise not_found(Told("charger {1}", charger))
    preview = look(reviews.preview, charger, cause, PageOf(page, AT_ONCE))
    if preview is None:
        raise not_found(Told("cause {1}", cause))
    return preview


def _nexts(group: GroupPreview) -> list[Next]:
    """Return what becomes of the next session, once for connectors of which the same is said."""
    is_several = len(group.codes) > 1
    nexts: dict[str, Next] = {}
    for session in group.next:
        words = _next_words(session)
        if is_several:
            words = f"{doubt(session.code).title}: {words}"
        habit = session.habit if session.outcome in ("certain", "asks") else None
        if habit is not None and session.connector > 1:
            of_connector = N_("Connector %(connector)s: %(words)s")
            words = _(of_connector, connector=session.connector, words=words)
        asks = session.outcome == "asks"
        nexts.setdefault(words, Next(words=words, habit=habit, asks=asks))
    return [*nexts.values()]


def _next_words(session: NextSession) -> str:
    """Return what becomes of the next session; the API says how it is found."""
    if session.outcome == "certain":
        words = N_(
            "You will not be asked about it. The server knows this habit: %(shown)s sessions "
            "showed it, each confirmed by its power or the car's battery. The corrected figure is "
            "billed unless something else speaks against it."
        )
        return _(words, shown=session.shown)
    if session.outcome == "asks":
        words = N_("It will wait for you, because %(who)s wants to be asked. The habit is known.")
        return _(words, who=session.asks_by)
    if session.outcome == "learns":
        words = N_(
            "It will wait for you. %(shown)s of %(needed)s sessions have shown this habit, "
            "confirmed by their power or the car's battery. After %(needed)s, the server stops "
            "asking."
        )
        return _(words, shown=session.shown, needed=session.needed)
    if session.ceiling_w is not None:
        words = N_(
            "It will wait for you if it is faster than %(kw)s kW, the highest power known of this "
            "connector."
        )
        return _(words, kw=kilowatts(session.ceiling_w))
    return _("It will wait for you again.")


# The count beside the entry of the navigation


COUNTS: Final = f"{REVIEW}/counts"


async def count_part(view: PageView) -> LivePart | None:
    """Return the number of what waits, for the navigation of every page; None for those who decide
    nothing here."""
    if not view.may("GET", COUNTS):
        return None
    waiting = await view.look(_counts)
    return LivePart("waiting", "review/count.html", {"count": _total(view, waiting)})


def _total(view: PageView, waiting: Counts) -> int:
    return sum(kind.of(waiting).count for kind in _shown(view))


def _news(view: PageView, waiting: Counts) -> LivePart:
    """Return the times since when the newest entries wait: the browser counts those after what the
    page shows."""
    shown = _shown(view)
    times: list[str] = []
    for kind in _chosen(view):
        if kind in shown:
            times += kind.of(waiting).newest
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

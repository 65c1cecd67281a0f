"""Review: what needs a person's eye, each with what is known and the sensible answers; sessions of one charger with one
cause get one decision, with the figure that each would get.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from levity_trio.locale import N_, _
from levity_trio.locale.texts import said
from levity_trio.records import record
from levity_trio.web.api.endpoints import Role
from levity_trio.web.dashboard.doubts import DoubtInWords, doubt
from levity_trio.web.dashboard.page import Changed, Page, Part, View, names_of_chargers
from levity_trio.web.dashboard.refused import Refused
from levity_trio.web.dashboard.saying import after_colon
from levity_trio.web.dashboard.shapes import kilowatts, kwh

REVIEW: Final = "/api/admin/review"
COUNTS: Final = f"{REVIEW}/counts"
GROUPS: Final = f"{REVIEW}/groups"
REPORTS: Final = "/api/admin/reports"
OF_OPERATORS: Final = ("message", "report")
"""Kinds that viewers do not see."""
AT_ONCE: Final = 25
"""Sessions of a group that a page shows: with more, it is too large for a phone."""
NAMED: Final = 4
"""Households of a group that are named; of more, the number is told."""
REPORTED: Final = N_("as reported")
FEW, MANY, ALL = 10, 50, 500
"""Of each kind where all kinds are shown; of one kind; of what is listed whole."""
CANDIDATES: Final = 2
"""Other figures that are offered as buttons."""
EXACT: Final = 3
Item = Mapping[str, Any]


@record
class Found:
    """Entries of one kind, the oldest first. `covered` is how many they stand for, if that is not their number."""

    entries: Sequence[Any]
    cursor: str | None = None
    covered: int | None = None

    @property
    def number(self) -> int:
        return len(self.entries) if self.covered is None else self.covered


@record
class Kind:
    """A kind of entries. `counted` is its name in the counts of the API."""

    name: str
    title: str
    counted: str
    read: Callable[[View, int], Awaitable[Found]]


@record
class Section:
    """What is shown of a kind."""

    kind: Kind
    count: int
    found: Found


@record(kw_only=False)
class Names:
    """What people call chargers and tags."""

    chargers: Mapping[str, str]
    tags: Mapping[str, str]

    def charger(self, charger: str) -> str:
        return self.chargers.get(charger, charger)

    def tag(self, id_tag: str | None) -> str | None:
        return self.tags.get(id_tag or "") or id_tag


@record
class Figure:
    """Another figure that a session may have, and the explanation that gives it."""

    wh: int
    words: str


@record
class Session:
    """A doubtful session. `answers` are those that the API offers about it; `digits` tell its figures apart."""

    tx: Item
    place: str
    who: str | None
    event: int | None
    reviews: Sequence[tuple[Item, DoubtInWords]]
    answers: frozenset[str]
    others: Sequence[Figure]
    dismissible: Sequence[int]
    digits: int

    @property
    def reason(self) -> str:
        """What is proposed as the reason of a decision."""
        return "; ".join(
            dict.fromkeys(_("looked at: %(doubt)s", doubt=after_colon(one.title)) for __, one in self.reviews)
        )


@record
class Group:
    """Sessions of one charger with one cause."""

    template: str = "group"
    group: Item
    place: str
    title: str
    households: Sequence[str]
    more: int

    @property
    def path(self) -> str:
        return path_of(self.group["charger"], self.group["cause"])


def path_of(charger: str, cause: str) -> str:
    """Return the path of the page of a group."""
    return f"/review/{quote(charger, safe='')}/{quote(cause)}"


@record
class Message:
    """A message that is not linked to a session, and those to which it can be."""

    message: Item
    place: str
    fitting: Sequence[Item]
    answers: frozenset[str]

    @property
    def sent(self) -> str:
        """What the charger sent, in lines."""
        payload = self.message["payload"]
        return payload if isinstance(payload, str) else json.dumps(payload, indent=2, ensure_ascii=False)


# What is read


async def _sessions(view: View, most: int) -> Found:
    groups: Sequence[Group] = ()
    if view.may("GET", REVIEW):
        cursor = view.query.get("cursor")
        page = await view.get(REVIEW, kind="transaction", alone=True, sort="oldest", limit=most, cursor=cursor)
        items, groups = page["data"], await _groups(view)
    else:
        page = await view.get(
            "/api/admin/transactions", review="true", sort="oldest", limit=most, cursor=view.query.get("cursor")
        )
        items = [{"transaction": one, "reviews": (), "event": None, "answers": ()} for one in page["data"]]
    names = await _names(view, {one["transaction"]["id_tag"] for one in items})
    entries = [*groups, *(_session(one, names) for one in items)]
    covered = len(items) + sum(one.group["count"] for one in groups)
    return Found(entries=entries, cursor=page.get("next_cursor"), covered=covered)


async def _groups(view: View) -> Sequence[Group]:
    """Return what several sessions have in common."""
    names = await names_of_chargers(view)
    found = [one for one in (await view.get(GROUPS))["data"] if one["count"] > 1]
    return [
        Group(
            group=one,
            place=names.get(one["charger"], one["charger"]),
            title=_title(one["codes"]),
            households=one["households"][:NAMED],
            more=max(0, len(one["households"]) - NAMED),
        )
        for one in found
    ]


def _title(codes: Sequence[str]) -> str:
    return ", ".join(doubt(code).title for code in codes)


def _session(item: Item, names: Names) -> Session:
    tx = item["transaction"]
    others = _others(item)
    figures = [tx["energy_wh"], *(other.wh for other in others)]
    return Session(
        tx=tx,
        place=names.charger(tx["charger"]),
        who=names.tag(tx["id_tag"]),
        event=item["event"],
        reviews=[(one, doubt(one["code"])) for one in item["reviews"]],
        answers=frozenset(one["answer"] for one in item["answers"]),
        others=others,
        dismissible=[one["id"] for one in item["answers"] if one["subject"] == "reviews"],
        digits=1 if len({kwh(wh) for wh in figures}) == len(figures) else EXACT,
    )


def _others(item: Item) -> list[Figure]:
    """Return the other figures that the reviews of an ended session name, each once."""
    others: dict[int, str] = {}
    for review in item["reviews"]:
        for words, wh in (review["figures"] or {}).items():
            others.setdefault(wh, words)
    others.pop(item["transaction"]["energy_wh"], None)
    return [Figure(wh=wh, words=words) for wh, words in others.items()][:CANDIDATES]


async def _messages(view: View, most: int) -> Found:
    if not view.may("GET", REVIEW):
        return Found(entries=())
    page = await view.get(REVIEW, kind="message", sort="oldest", limit=most, cursor=view.query.get("cursor"))
    names = await _names(view, ())
    entries = [
        Message(
            message=one["message"],
            place=names.charger(one["charger"]),
            fitting=one["fitting"],
            answers=frozenset(answer["answer"] for answer in one["answers"]),
        )
        for one in page["data"]
    ]
    return Found(entries=entries, cursor=page.get("next_cursor"))


async def _newcomers(view: View, most: int) -> Found:
    found = (await view.get("/api/admin/newcomers", waiting="true", limit=ALL))["data"]
    return Found(entries=sorted(found, key=lambda one: one["waiting_since"])[:most])


async def _tags(view: View, most: int) -> Found:
    found = (await view.get("/api/admin/asked-id-tags"))["data"]
    names = await _names(view, ())
    oldest = sorted(found, key=lambda one: one["first_at"])[:most]
    return Found(entries=[one | {"place": names.charger(one["charger"])} for one in oldest])


async def _names(view: View, id_tags: Sequence[str | None] | set[str | None]) -> Names:
    chargers = await names_of_chargers(view)
    is_shown = view.may("GET", REVIEW)
    tags = {one: await _name_of(view, one) for one in id_tags if one} if is_shown else {}
    return Names(chargers, tags)


async def _name_of(view: View, id_tag: str) -> str:
    """Return whose a tag is, else what it is called."""
    try:
        tag = await view.get(f"/api/admin/id-tags/{id_tag}")
    except Refused:
        return id_tag
    return str(tag["account_name"] or tag["name"] or id_tag)


async def _reports(view: View, most: int) -> Found:
    if not view.may("GET", REPORTS):
        return Found(entries=())
    found = (await view.get(REPORTS, waiting=True))["data"]
    names = await names_of_chargers(view)
    oldest = [{**one, "place": names.get(one["charger"], one["charger"])} for one in reversed(found)]
    return Found(entries=oldest[:most])


KINDS: Final = N_(
    (
        Kind(name="report", title="From households", counted="reports", read=_reports),
        Kind(name="session", title="Sessions in doubt", counted="transactions", read=_sessions),
        Kind(name="message", title="Messages without a session", counted="messages", read=_messages),
        Kind(name="charger", title="New chargers", counted="newcomers", read=_newcomers),
        Kind(name="tag", title="Unknown cards", counted="asked_tags", read=_tags),
    )
)


# The page


def _chosen(view: View) -> tuple[Kind, ...]:
    """Return the kinds that are shown: one, or all."""
    named = tuple(one for one in KINDS if one.name == view.query.get("kind"))
    return named or KINDS


def _shown(view: View) -> tuple[Kind, ...]:
    """Return the kinds that a reader may see."""
    return tuple(one for one in KINDS if one.name not in OF_OPERATORS or view.may("GET", REVIEW))


async def _read(view: View) -> Mapping[str, Any]:
    waiting = await view.get(COUNTS)
    chosen = _chosen(view)
    most = FEW if len(chosen) > 1 else MANY
    sections = [
        Section(kind=one, count=waiting[one.counted]["count"], found=await one.read(view, most))
        for one in chosen
        if one in _shown(view)
    ]
    return {
        "queues": [one for one in sections if one.found.entries],
        "kinds": [(one, waiting[one.counted]["count"]) for one in _shown(view)],
        "total": sum(waiting[one.counted]["count"] for one in _shown(view)),
        "chosen": chosen[0].name if len(chosen) == 1 else "",
        "here": f"/review?kind={chosen[0].name}" if len(chosen) == 1 else "/review",
        "seen": max((at for one in _shown(view) for at in waiting[one.counted]["newest"]), default=""),
        "may_decide": view.may("POST", "/api/admin/transactions/{id}/confirm"),
        "news": _news(view, waiting),
    }


async def _live(view: View, _changed: Changed) -> Sequence[Part]:
    return [_news(view, await view.get(COUNTS))]


# One decision for one cause


@record
class Choice:
    """A figure that each session of a group can get: what it is called, and its name in a link; "" is the proposed
    one."""

    name: str
    words: str


@record
class Next:
    """What becomes of the next session: in words, and the habit that somebody may decide about."""

    words: str
    habit: int | None
    asks: bool


async def _read_group(view: View) -> Mapping[str, Any]:
    charger, cause = view.path["charger"], view.path["cause"]
    page = view.query.get("page", "1")
    group = await view.get(f"{GROUPS}/{charger}/{cause}", limit=AT_ONCE, page=page if page.isdecimal() else "1")
    choices = _choices(group["totals"])
    take = view.query.get("take", "")
    chosen = take if take in {one.name for one in choices} else ""
    sessions = [{**one, "gets_wh": one["figures"][chosen] if chosen else one["energy_wh"]} for one in group["data"]]
    title = _title(group["codes"])
    return {
        "group": group,
        "title": title,
        "doubts": [(code, doubt(code)) for code in group["codes"]],
        "place": group["charger_name"] or charger,
        "sessions": sessions,
        "at_once": AT_ONCE,
        "total_wh": group["totals"][chosen],
        "pages": -(-group["count"] // AT_ONCE),
        "reported": REPORTED,
        "choices": choices,
        "chosen": chosen,
        "reason": _("looked at: %(doubt)s", doubt=title.lower()),
        "here": path_of(charger, cause),
        "nexts": [*_nexts(group)],
    }


def _choices(totals: Mapping[str, int]) -> Sequence[Choice]:
    """Return the figures that all sessions have; without those that come to the same as the proposed ones."""
    others = [name for name, wh in totals.items() if name and wh != totals[""]]
    return [Choice(name="", words=_("as proposed")), *(Choice(name=one, words=said(one)) for one in others)]


def _nexts(group: Item) -> Iterator[Next]:
    """Yield what becomes of the next session, once for connectors of which the same is said."""
    is_several = len(group["codes"]) > 1
    found: dict[str, Next] = {}
    for one in group["next"]:
        words = _next_words(one)
        words = f"{doubt(one['code']).title}: {words}" if is_several else words
        habit = one["habit"] if one["outcome"] in ("certain", "asks") else None
        if habit is not None and one["connector"] > 1:
            words = _("Connector %(connector)s: %(words)s", connector=one["connector"], words=words)
        found.setdefault(words, Next(words=words, habit=habit, asks=one["outcome"] == "asks"))
    yield from found.values()


def _next_words(one: Item) -> str:
    """Return what becomes of the next session; the API says how it is found."""
    if one["outcome"] == "certain":
        return _(
            "You will not be asked about it. The server knows this habit: %(shown)s sessions showed it, each confirmed "
            "by its power or the car's battery. The corrected figure is billed unless something else speaks "
            "against it.",
            shown=one["shown"],
        )
    if one["outcome"] == "asks":
        return _("It will wait for you, because %(who)s wants to be asked. The habit is known.", who=one["asks_by"])
    if one["outcome"] == "learns":
        return _(
            "It will wait for you. %(shown)s of %(needed)s sessions have shown this habit, confirmed by their power or "
            "the car's battery. After %(needed)s, the server stops asking.",
            shown=one["shown"],
            needed=one["needed"],
        )
    if one["ceiling_w"] is not None:
        words = N_("It will wait for you if it is faster than %(kw)s kW, the highest power known of this connector.")
        return _(words, kw=kilowatts(one["ceiling_w"]))
    return _("It will wait for you again.")


# The count beside the entry of the navigation


async def count_part(view: View) -> Part | None:
    """Return the number of what waits, for the navigation of every page; None for those who decide nothing here."""
    if not view.may("GET", COUNTS):
        return None
    waiting = await view.get(COUNTS)
    return Part("waiting", "review/count.html", {"count": sum(waiting[one.counted]["count"] for one in _shown(view))})


def _news(view: View, waiting: Item) -> Part:
    """Return the times since when the newest entries wait: the browser counts those after what the page shows."""
    times = [at for one in _chosen(view) if one in _shown(view) for at in waiting[one.counted]["newest"]]
    return Part("review-times", "review/times.html", {"times": sorted(times)})


PAGES: Final = N_(
    (
        Page("/review", "Review", "review.html", _read, help="tasks/a-session-in-doubt", live=_live, section="Review"),
        Page(
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

"""Review: what needs a person's eye, each with what is known and the sensible answers."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from levity_trio.locale import N_, _
from levity_trio.records import record
from levity_trio.web.dashboard.doubts import Doubt, doubt
from levity_trio.web.dashboard.inside import Refused
from levity_trio.web.dashboard.page import Changed, Page, Part, View, names_of_chargers
from levity_trio.web.dashboard.shapes import kwh

REVIEW: Final = "/api/admin/review"
COUNTS: Final = f"{REVIEW}/counts"
FEW, MANY, ALL = 10, 50, 500
"""Of each kind where all kinds are shown; of one kind; of what is listed whole."""
CANDIDATES: Final = 2
"""Other figures that are offered as buttons."""
EXACT: Final = 3
Item = Mapping[str, Any]


@record
class Found:
    """Entries of one kind, the oldest first."""

    entries: Sequence[Any]
    cursor: str | None = None


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
    reviews: Sequence[tuple[Item, Doubt]]
    answers: frozenset[str]
    others: Sequence[Figure]
    dismissible: Sequence[int]
    digits: int

    @property
    def reason(self) -> str:
        """What is proposed as the reason of a decision."""
        return "; ".join(dict.fromkeys(_("looked at: %(doubt)s", doubt=one.title.lower()) for __, one in self.reviews))


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
    if view.may("GET", REVIEW):
        page = await view.get(REVIEW, kind="transaction", sort="oldest", limit=most, cursor=view.query.get("cursor"))
        items = page["data"]
    else:
        page = await view.get(
            "/api/admin/transactions", review="true", sort="oldest", limit=most, cursor=view.query.get("cursor")
        )
        items = [{"transaction": one, "reviews": (), "event": None, "answers": ()} for one in page["data"]]
    names = await _names(view, {one["transaction"]["id_tag"] for one in items})
    return Found(entries=[_session(one, names) for one in items], cursor=page.get("next_cursor"))


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


KINDS: Final = N_(
    (
        Kind(name="session", title="Doubtful sessions", counted="transactions", read=_sessions),
        Kind(name="message", title="Messages without a session", counted="messages", read=_messages),
        Kind(name="charger", title="New chargers", counted="newcomers", read=_newcomers),
        Kind(name="tag", title="Unknown tags", counted="asked_tags", read=_tags),
    )
)


# The page


def _chosen(view: View) -> tuple[Kind, ...]:
    """Return the kinds that are shown: one, or all."""
    named = tuple(one for one in KINDS if one.name == view.query.get("kind"))
    return named or KINDS


def _shown(view: View) -> tuple[Kind, ...]:
    """Return the kinds that a reader may see."""
    return tuple(one for one in KINDS if one.name != "message" or view.may("GET", REVIEW))


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


def _news(view: View, waiting: Item) -> Part:
    """Return the times since when the newest entries wait: the browser counts those after what the page shows."""
    times = [at for one in _chosen(view) if one in _shown(view) for at in waiting[one.counted]["newest"]]
    return Part("review-times", "review/times.html", {"times": sorted(times)})


PAGES: Final = N_(
    (Page("/review", "Review", "review.html", _read, help="tasks/a-session-in-doubt", live=_live, section="Review"),)
)

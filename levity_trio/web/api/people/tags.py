"""Tags: who may charge. Names and notes are those of people, so viewers do not see them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from functools import partial
from operator import attrgetter
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo

import trio
from msgspec import Meta
from starlette.responses import Response, StreamingResponse

from levity_trio.access.tags import LONGEST_TAG, printed
from levity_trio.charger.commands import UnknownCharger
from levity_trio.nouns import Card
from levity_trio.records import copied, names_of, noun, record, whole_text
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.pages import ListPage
from levity_trio.store.reads.people import households as stored
from levity_trio.store.reads.people.households import (
    AskedTag,
    TagFilters,
    TagRow,
    UsedTag,
    same_cards,
    tags_in_order,
    use_of,
    with_use,
)
from levity_trio.store.writes.people import ownership
from levity_trio.store.writes.people import tags as writes
from levity_trio.store.writes.people.ownership import NotAlike
from levity_trio.store.writes.people.tags import TagData, TagInUse, UnknownTag
from levity_trio.told import Told
from levity_trio.web.api.engine.endpoints import (
    CREATED,
    ClientInput,
    Endpoints,
    Request,
    Role,
    Server,
    StreamedBody,
    TypedRequest,
    Upload,
    Values,
    changes_of,
    content_of,
)
from levity_trio.web.api.engine.lists import (
    CSV,
    OF_SORT,
    UNTIL,
    Cell,
    Cells,
    CsvFormat,
    OneFormat,
    Paged,
    converted,
    in_file,
    listed,
    local_moment,
    read,
    wanted,
    whole,
)
from levity_trio.web.api.engine.problems import Problem, conflict, not_found, refusal
from levity_trio.wire.errors import CallFailed
from levity_trio.wire.secrets import MASK

TAG: Final = "id tags"
ENDPOINTS: Final = Endpoints(TAG)
ID_TAGS: Final = "/api/admin/id-tags"
ID_TAG: Final = f"{ID_TAGS}/{{tag}}"
ASKED: Final = "/api/admin/asked-id-tags"
MOST_BYTES: Final = 32 * 1024 * 1024
COLUMNS: Final = names_of(Card)
IN_FILE: Final[Mapping[str, Callable[[UsedTag], Cell]]] = {
    name: attrgetter(name)
    for name in ("id_tag", "name", "status", "expires_at", "account_name", "last_used_at")
}
"""The columns of a file of those that were filtered."""
MOST_TOLD: Final = 1000
"""Lines of a file of which the answer says what became of them."""
MOST_TAGS: Final = 20_000

_EDGE, _INSIDE = r"[^\s\x00-\x20\x7f]", r"[^\x00-\x1f\x7f]"
TAG_PATTERN: Final = f"^{_EDGE}({_INSIDE}*{_EDGE})?$"
IdTag = Annotated[
    str,
    whole_text(
        pattern=TAG_PATTERN,
        words=Told("it is empty, begins or ends with a space, or is not printable"),
        max_length=LONGEST_TAG,
        description="In upper or lower case.",
    ),
]
Most = (
    Annotated[
        int,
        Meta(ge=1, le=10_000, description="How many sessions it may have at once; empty: any."),
    ]
    | None
)
_EXPIRY = Meta(
    description="From when on it is refused: a time, or a day, in the time zone of the site.",
    extra_json_schema=UNTIL,
)
Expiry = Annotated[str, _EXPIRY] | None
Status = Literal["Accepted", "Blocked"]


class TagBody(Card, ClientInput):
    """A tag. Tags with the same parent are a group, whose members may stop each other's
    transactions."""

    id_tag: IdTag
    status: Status = "Accepted"
    expires_at: Expiry = None
    parent_id_tag: IdTag | None = None
    max_transactions: Most = None


@changes_of(TagBody, "id_tag")
class ChangeBody(ClientInput):
    """What is to change of a tag; the rest stays."""


def as_stored(body: TagBody | ChangeBody, zone: ZoneInfo) -> Values:
    """Return the fields that are given as they are stored: times in the database's format, texts of
    people trimmed. Raises Problem."""
    kept = body.given()
    if kept.get("parent_id_tag"):
        kept["parent_id_tag"] = printed(kept["parent_id_tag"])
    for name in ("name", "notes"):
        if kept.get(name) is not None:
            kept[name] = kept[name].strip() or None
    if "expires_at" in kept:
        kept["expires_at"] = local_moment(kept["expires_at"], "expires_at", zone)
    return kept


SortOfTags = Literal[
    "id_tag",
    "-id_tag",
    "name",
    "-name",
    "status",
    "-status",
    "household",
    "-household",
    "last_used",
    "-last_used",
]


class TagsQuery(Paged):
    """What is asked for.

    - status (--status STATUS): Only with this status.
    + parent: Only of this group.
    + expired: Only those that have expired, or have not.
    - search (--search TEXT): Only with this in the card, or in its name (operators).
    """

    status: Status | None = None
    parent: str | None = None
    expired: bool | None = None
    search: str | None = None
    sort: Annotated[SortOfTags, Meta(description=f"{OF_SORT} By last_used, of 2,000.")] | None = (
        None
    )
    format: OneFormat = "json"


@noun
class TagWithPeriods(UsedTag):
    """A tag, what was valid for it and when, the newest first, its forms in transactions, and what
    some chargers read instead of it."""

    sent_as: list[str]
    same_cards: list[str]
    periods: list[TagRow]


@noun
class ChangedTag(TagRow):
    """A tag as it is now. `commands` clear the caches of the connected chargers, if it may not
    charge any longer."""

    commands: list[int]


@record
class ImportedLine:
    """What became of a line: added, changed or same; failed, as the log of the server says."""

    line: int
    result: str


@record
class TagImport:
    """What became of a file. `lines` has its first 1,000 lines."""

    tags: int
    added: int
    changed: int
    same: int
    lines: list[ImportedLine]
    commands: list[int]


@ENDPOINTS.get(ID_TAGS, Role.VIEWER, "forbidden", other_media_types=(CSV,))
async def list_tags(
    request: TypedRequest[TagsQuery, None],
) -> ListPage[UsedTag] | StreamingResponse:
    """List the tags that were added, in their alphabetical order or by a column; CSV too."""
    columns = IN_FILE if request.sees_all else {**IN_FILE, "id_tag": lambda _: MASK}
    return await listed(request, columns, partial(read_tags, sees_all=request.sees_all))


def read_tags(
    db: Database, server: Server, query: TagsQuery, *, sees_all: bool
) -> ListPage[UsedTag]:
    """Return a page of tags. Raises NoPage, Problem."""
    # Their order would tell a viewer the names, which are masked for viewers.
    if not sees_all and (query.sort or "").removeprefix("-") in ("name", "household"):
        words = Told("to sort by names needs a token with the role operator")
        raise refusal("forbidden", words)
    now, policy = server.stamp(), server.id_tags.policy
    search = query.search and printed(query.search)
    filters = copied(TagFilters, query, search=search, sees_names=sees_all, now=now)
    sort = stored.sort_of_tags(db, query.sort, policy, now)
    tags = stored.tags(db, filters, wanted(query), sort)
    return tags.of_rows([with_use(db, tag, policy, now) for tag in tags.data])


@ENDPOINTS.post(ID_TAGS, Role.OPERATOR, "in_use", status=CREATED)
async def create_tag(request: TypedRequest[None, TagBody]) -> ChangedTag:
    """Add a tag, also one that waits for an operator."""
    data = TagData(**as_stored(request.body, request.zone))
    # One that waits is as its charger sent it.
    if not await request.read(stored.is_asked, key=request.policy.key(data.id_tag)):
        data = _entered(request.api, data)
    try:
        change = await request.write(writes.add, request.policy, data)
    except TagInUse as known:
        raise _in_use(known) from None
    return await changed(request, change)


@ENDPOINTS.get(ID_TAG, Role.VIEWER, "not_found")
async def get_tag(request: Request) -> TagWithPeriods:
    """Show a tag as it is and as it was, also one that was removed."""
    tag = await request.read(read_tag, server=request.api, tag=request.path["tag"])
    if tag is None:
        raise _unknown(request)
    return tag


def read_tag(db: Database, server: Server, tag: str) -> TagWithPeriods | None:
    """Return a tag, None if nobody has added it."""
    policy = server.id_tags.policy
    key = policy.key(server.id_tags.entered(tag))
    periods = stored.periods(db, key)
    if not periods:
        return None
    use = asdict(use_of(db, key, policy, server.stamp()))
    same = same_cards(db, key)
    return copied(TagWithPeriods, periods[0], periods=periods, same_cards=same, **use)


@ENDPOINTS.patch(ID_TAG, Role.OPERATOR, "not_found")
async def change_tag(request: TypedRequest[None, ChangeBody]) -> ChangedTag:
    """Change a tag, block it, or unblock it. Blocking asks the connected chargers to clear their
    caches."""
    policy, tag = request.policy, request.card
    fields = as_stored(request.body, request.zone)
    try:
        change = await request.write(writes.change, policy, tag, fields)
    except UnknownTag:
        raise _unknown(request) from None
    return await changed(request, change)


@ENDPOINTS.delete(ID_TAG, Role.ADMIN, "not_found")
async def remove_tag(request: Request) -> None:
    """Remove a tag, which then is unknown; what it was stays."""
    api, policy = request.api, request.policy
    try:
        removed = await request.write(ownership.remove_card, policy, request.card)
    except UnknownTag:
        raise _unknown(request) from None
    key = policy.key(removed.id_tag)
    if policy.is_withdrawn(key, removed.tag, None, api.stamp()):
        await clear_caches(request)


async def changed(request: Request, change: writes.TagChange) -> ChangedTag:
    """Return a changed tag, and have the connected chargers forget it if it may not charge any
    longer."""
    policy = request.policy
    before = None if change.before is None else change.before.tag
    key = policy.key(change.after.id_tag)
    commands: list[int] = []
    if policy.is_withdrawn(key, before, change.after.tag, request.api.stamp()):
        commands = await clear_caches(request)
    tag, *_ = await request.read(stored.periods, key=key)
    return copied(ChangedTag, tag, commands=commands)


def _entered(server: Server, tag: TagData) -> TagData:
    return replace(tag, id_tag=server.id_tags.entered(tag.id_tag))


def _every(_charger: str) -> bool:
    return True


async def clear_caches(request: Request, concerns: Callable[[str], bool] = _every) -> list[int]:
    """Ask the connected chargers that it concerns to forget whom they let charge (§5.4); return the
    commands."""
    chargers, by = request.api.chargers, request.caller.name
    commands: list[int] = []

    async def ask(charger: str) -> None:
        # It may have left, or have too much to do: it will ask again some day.
        with suppress(CallFailed, UnknownCharger):
            commands.append(await chargers.submit(charger, "ClearCache", {}, asked_by=by))

    async with trio.open_nursery() as tasks:
        for charger in filter(concerns, chargers.connected()):
            tasks.start_soon(ask, charger)
    return sorted(commands)


def _in_use(known: TagInUse) -> Problem:
    words = Told("the card {1} was added before; change it instead", str(known))
    return refusal("in_use", words)


def _unknown(request: Request) -> Problem:
    return not_found(Told("card {1}", request.path["tag"]))


# Tags that wait for an operator


@ENDPOINTS.get(ASKED, Role.VIEWER)
async def list_asked(request: Request) -> ListPage[AskedTag]:
    """List the unknown tags that wait for an operator (--unknown-tags ask), the last one first."""
    return whole(await request.read(stored.asked_tags, now=request.api.stamp()))


@ENDPOINTS.delete(f"{ASKED}/{{tag}}", Role.OPERATOR, "not_found")
async def dismiss_asked(request: Request) -> None:
    """Forget an unknown tag until it is presented again."""
    policy, tag = request.policy, request.path["tag"]
    try:
        await request.commit(writes.dismiss, policy, tag)
    except UnknownTag:
        raise _unknown(request) from None


class SameBody(ClientInput):
    """The known card that it is."""

    id_tag: IdTag


@ENDPOINTS.post(f"{ASKED}/{{tag}}/same", Role.OPERATOR, "not_found", "conflict", "in_use")
async def make_same(request: TypedRequest[None, SameBody]) -> ChangedTag:
    """Let an unknown tag be the only known card that it looks like: whatever is done with the card
    is done with it, too."""
    card = request.api.id_tags.entered(request.body.id_tag)
    tag = request.path["tag"]
    try:
        change = await request.write(ownership.make_same, request.policy, tag, card)
    except NotAlike:
        words = Told("{1} does not look like {2}, or not like this card only", tag, card)
        raise conflict(words) from None
    except TagInUse as known:
        raise _in_use(known) from None
    return await changed(request, change)


# Files


@ENDPOINTS.post(
    "/api/admin/id-tag-import", Role.OPERATOR, "too_many_waiting", body=StreamedBody(CSV)
)
async def import_tags(request: Upload) -> TagImport:
    """Add and change tags by a CSV file: all of it, or nothing and what is wrong with each line."""
    api = request.api
    policy = request.policy

    def read_line(cells: Cells) -> TagData:
        fields = as_stored(converted(cells, TagBody), request.zone)
        return _entered(api, TagData(**fields))

    sheet = CsvFormat(
        *(COLUMNS, ("id_tag",), MOST_TAGS, Told("card"), read_line),
        key=lambda tag: policy.key(tag.id_tag),
    )
    async with api.places.wait():
        table = await read(await content_of(request, MOST_BYTES), sheet)
        rows = [[getattr(tag, name) for name in table.columns] for tag in table.rows]
        results, is_withdrawn = await request.write(writes.take, policy, table.columns, rows)
        # Tags are judged in memory: the answer comes when the file counts there.
        await api.read_imported()
    commands = await clear_caches(request) if is_withdrawn else []
    lines = zip(table.lines, results[:MOST_TOLD], strict=False)
    return TagImport(
        tags=len(rows),
        added=results.count("added"),
        changed=results.count("changed"),
        same=results.count("same"),
        lines=[ImportedLine(line=line, result=result) for line, result in lines],
        commands=commands,
    )


@ENDPOINTS.get("/api/admin/id-tag-export", Role.OPERATOR, media_type=CSV)
async def export_tags(request: Request) -> Response:
    """Download all tags as CSV."""
    return in_file(COLUMNS, map(asdict, await request.read(tags_in_order)))

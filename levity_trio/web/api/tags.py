"""Tags: who may charge. Names and notes are those of people, so viewers do not see them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo

import msgspec
import trio
from starlette.responses import StreamingResponse

from levity_trio.access.tags import LONGEST_TAG
from levity_trio.charger.facade import UnknownCharger
from levity_trio.store.reads import tags as stored
from levity_trio.store.reads.pages import Page as Listed
from levity_trio.store.reads.tags import AskedTag, Filters, TagRow
from levity_trio.store.reads.used_tags import UsedTag, use_of, with_use
from levity_trio.store.writes import tags as writes
from levity_trio.store.writes.tags import TagData, TagInUse, UnknownTag
from levity_trio.web.api import tag_file
from levity_trio.web.api.endpoints import Asked, Endpoint, Role, StreamedBody, StructBody, of_validation
from levity_trio.web.api.lists import FORMATS, Page, Paged, hidden, page, page_of, wanted, whole
from levity_trio.web.api.local_times import local_moment
from levity_trio.web.api.problems import Problem, not_found, of_upload
from levity_trio.web.api.sheets import Sheet, read, refuse
from levity_trio.web.api.shown import show, shown_as
from levity_trio.wire.errors import CallFailed

TAG: Final = "id tags"
ID_TAGS: Final = "/api/admin/id-tags"
ID_TAG: Final = f"{ID_TAGS}/{{tag}}"
ASKED: Final = "/api/admin/asked-id-tags"
OF_PEOPLE: Final = ("name", "notes", "created_by", "ended_by")
OF_HOUSEHOLDS: Final = ("account", "account_name")
CSV: Final = "text/csv"
MOST_BYTES: Final = 32 * 1024 * 1024

_EDGE, _INSIDE = r"[^\s\x00-\x20\x7f]", r"[^\x00-\x1f\x7f]"
TAG_PATTERN: Final = f"^{_EDGE}({_INSIDE}*{_EDGE})?$"
IdTag = Annotated[
    str,
    msgspec.Meta(pattern=TAG_PATTERN, max_length=LONGEST_TAG, description="Its case makes no difference."),
]
Name = Annotated[str, msgspec.Meta(max_length=200)] | None
Notes = Annotated[str, msgspec.Meta(max_length=2000)] | None
Most = (
    Annotated[int, msgspec.Meta(ge=1, le=10_000, description="How many transactions it may have at once; null: any.")]
    | None
)
_EXPIRY = msgspec.Meta(
    description="From when on it is Expired: a time, or a day, in the time zone of the site.", extra_json_schema=FORMATS
)
Expiry = Annotated[str, _EXPIRY] | None
Parent = IdTag | None
Status = Literal["Accepted", "Blocked"]


class TagBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A tag. Tags with the same parent are a group, whose members may stop each other's transactions."""

    id_tag: IdTag
    name: Name = None
    status: Status = "Accepted"
    expires_at: Expiry = None
    parent_id_tag: Parent = None
    max_transactions: Most = None
    notes: Notes = None

    def data(self, zone: ZoneInfo) -> TagData:
        """Return the tag as it is stored. Raises Problem."""
        return TagData(**_as_stored(msgspec.structs.asdict(self), zone))


class ChangeBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What is to change of a tag; the rest stays."""

    name: Name | msgspec.UnsetType = msgspec.UNSET
    status: Status | msgspec.UnsetType = msgspec.UNSET
    expires_at: Expiry | msgspec.UnsetType = msgspec.UNSET
    parent_id_tag: Parent | msgspec.UnsetType = msgspec.UNSET
    max_transactions: Most | msgspec.UnsetType = msgspec.UNSET
    notes: Notes | msgspec.UnsetType = msgspec.UNSET

    def fields(self, zone: ZoneInfo) -> dict[str, Any]:
        """Return the fields that are given. Raises Problem."""
        given = msgspec.structs.asdict(self)
        return _as_stored({name: value for name, value in given.items() if value is not msgspec.UNSET}, zone)


def _as_stored(fields: dict[str, Any], zone: ZoneInfo) -> dict[str, Any]:
    """Return fields as they are stored: times in the database's format, texts of people trimmed. Raises Problem."""
    trimmed = {name: fields[name].strip() or None for name in ("name", "notes") if fields.get(name) is not None}
    times = {name: local_moment(fields[name], name, zone) for name in ("expires_at",) if name in fields}
    return fields | trimmed | times


class TagsQuery(Paged, kw_only=True):
    status: Status | None = None
    parent: Annotated[str, msgspec.Meta(description="Only of this group.")] | None = None
    expired: Annotated[bool, msgspec.Meta(description="Only those that have expired, or have not.")] | None = None
    search: Annotated[str, msgspec.Meta(description="A part of the tag, or of its name (operators).")] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TagWithPeriods(UsedTag):
    """A tag, what was valid for it and when, the newest first, and its forms in transactions."""

    sent_as: list[str]
    periods: list[TagRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedTag(TagRow):
    """A tag as it is now. `commands` clear the caches of the connected chargers, if it may not charge any longer."""

    commands: list[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedLine:
    """What became of a line: added, changed or same."""

    line: int
    result: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TagImport:
    """What became of a file. `lines` has its first 1,000 lines."""

    tags: int
    added: int
    changed: int
    same: int
    lines: list[ImportedLine]
    commands: list[int]


async def list_tags(asked: Asked) -> Page[Any]:
    query: TagsQuery = asked.query
    filters = Filters(
        status=query.status,
        parent=query.parent,
        search=query.search,
        sees_names=asked.sees_all,
        expired=query.expired,
        now=asked.api.stamp(),
    )
    policy, now = asked.api.id_tags.policy, filters.now

    def listed(db: Any) -> Listed[UsedTag]:
        found = stored.tags(db, filters, wanted(query))
        used = [with_use(db, one, policy, now) for one in found.data]
        shown_rows = hidden(asked, used, *OF_PEOPLE, *OF_HOUSEHOLDS)
        return Listed(shown_rows, found.page, found.limit, found.total, found.total_at_least, found.next_cursor)

    return await page(asked.api, listed)


async def get_tag(asked: Asked) -> Any:
    policy = asked.api.id_tags.policy
    key = policy.key(asked.path["tag"])
    found = hidden(asked, await asked.api.reader.run(partial(stored.periods, key=key)), *OF_PEOPLE)
    if not found:
        raise _unknown(asked)
    use = await asked.api.reader.run(partial(use_of, key=key, policy=policy, now=asked.api.stamp()))
    (shown_use,) = hidden(asked, [use], *OF_HOUSEHOLDS)
    return show(found[0]) | show(shown_use) | {"periods": show(found)}


async def create_tag(asked: Asked) -> Any:
    api, data = asked.api, asked.body.data(asked.api.config.time_zone)
    try:
        change = await api.writer.run(writes.add, api.id_tags.policy, data, api.stamp(), asked.caller.name)
    except TagInUse as known:
        raise Problem(HTTPStatus.CONFLICT, "in_use", f"the tag {known} was added before; change it instead") from None
    return await _changed(asked, change)


async def change_tag(asked: Asked) -> Any:
    api, tag, fields = asked.api, asked.path["tag"], asked.body.fields(asked.api.config.time_zone)
    try:
        change = await api.writer.run(writes.change, api.id_tags.policy, tag, fields, api.stamp(), asked.caller.name)
    except UnknownTag:
        raise _unknown(asked) from None
    return await _changed(asked, change)


async def remove_tag(asked: Asked) -> None:
    api, policy = asked.api, asked.api.id_tags.policy
    try:
        removed = await api.writer.run(writes.remove, policy, asked.path["tag"], api.stamp(), asked.caller.name)
    except UnknownTag:
        raise _unknown(asked) from None
    if policy.is_withdrawn(policy.key(removed.id_tag), removed.tag, None, api.stamp()):
        await _clear_caches(asked)


async def _changed(asked: Asked, change: writes.Change) -> Any:
    policy, before = asked.api.id_tags.policy, None if change.before is None else change.before.tag
    key = policy.key(change.after.id_tag)
    is_withdrawn = policy.is_withdrawn(key, before, change.after.tag, asked.api.stamp())
    commands = await _clear_caches(asked) if is_withdrawn else []
    found = await asked.api.reader.run(partial(stored.periods, key=key))
    return show(found[0]) | {"commands": commands}


async def _clear_caches(asked: Asked) -> list[int]:
    """Ask the connected chargers to forget whom they let charge (§5.4); return the commands."""
    commands: list[int] = []

    async def ask(charger: str) -> None:
        try:
            commands.append(
                await asked.api.chargers.submit(charger, "ClearCache", {}, asked_by=asked.caller.name),
            )
        except (CallFailed, UnknownCharger):  # it has left, or has too much to do; it will ask again some day
            return

    async with trio.open_nursery() as tasks:
        for charger in asked.api.chargers.connected():
            tasks.start_soon(ask, charger)
    return sorted(commands)


def _unknown(asked: Asked) -> Problem:
    return not_found(f"tag {asked.path['tag']}")


# Tags that wait for an operator


async def list_asked(asked: Asked) -> Page[Any]:
    found = await asked.api.reader.run(partial(stored.asked_tags, now=asked.api.stamp()))
    return whole(hidden(asked, found, *OF_HOUSEHOLDS))


async def dismiss_asked(asked: Asked) -> None:
    try:
        await asked.api.writer.run(writes.dismiss, asked.api.id_tags.policy, asked.path["tag"])
    except UnknownTag:
        raise _unknown(asked) from None


# Files


async def import_tags(asked: Asked) -> Any:
    api = asked.api
    sheet = Sheet(
        *(tag_file.COLUMNS, tag_file.NEEDED, tag_file.MOST_TAGS, "tag"),
        read=partial(_checked, api.config.time_zone),
        key=lambda tag: api.id_tags.policy.key(tag.id_tag),
    )
    async with api.places.wait():
        found = await read(await content_of(asked), sheet)
        refuse(found.faults)
        rows = [[getattr(tag, name) for name in found.columns] for tag in found.rows]
        report = await api.imports.run(found.columns, rows, asked.caller.name)
    results = zip(found.lines, report.results, strict=False)
    return show(
        TagImport(
            tags=len(rows),
            added=report.counts["added"],
            changed=report.counts["changed"],
            same=report.counts["same"],
            lines=[ImportedLine(line=line, result=result) for line, result in results],
            commands=await _clear_caches(asked) if report.is_withdrawn else [],
        )
    )


async def content_of(asked: Asked) -> bytes:
    """Return the file that a request brings. Raises Problem."""
    content = bytearray()
    with of_upload():
        async for part in asked.body:
            content += part
            if len(content) > MOST_BYTES:
                raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", f"give at most {MOST_BYTES} bytes")
    return bytes(content)


def _checked(zone: ZoneInfo, cells: Any) -> TagData:
    """Return the tag of a line; an empty cell is what a body leaves out. Raises Problem."""
    given = {name: value for name, value in cells.items() if value is not None}
    try:
        return msgspec.convert(given, TagBody, strict=False).data(zone)
    except msgspec.ValidationError as error:
        raise of_validation(error) from None


async def export_tags(asked: Asked) -> StreamingResponse:
    return StreamingResponse(tag_file.write(asked.api.reader), media_type=CSV)


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path=ID_TAGS,
        role=Role.VIEWER,
        tag=TAG,
        summary="List the tags that were added, in their alphabetical order.",
        handle=list_tags,
        query=TagsQuery,
        answer=page_of(UsedTag),
    ),
    Endpoint(
        method="POST",
        path=ID_TAGS,
        role=Role.OPERATOR,
        tag=TAG,
        summary="Add a tag, also one that waits for an operator.",
        handle=create_tag,
        body=StructBody(TagBody),
        answer=shown_as(ChangedTag),
        status=HTTPStatus.CREATED,
        problems=("in_use",),
        personal=OF_PEOPLE,
    ),
    Endpoint(
        method="GET",
        path=ID_TAG,
        role=Role.VIEWER,
        tag=TAG,
        summary="Show a tag as it is and as it was, also one that was removed.",
        handle=get_tag,
        answer=shown_as(TagWithPeriods),
        problems=("not_found",),
    ),
    Endpoint(
        method="PATCH",
        path=ID_TAG,
        role=Role.OPERATOR,
        tag=TAG,
        summary="Change a tag, block it, or unblock it. Blocking asks the connected chargers to clear their caches.",
        handle=change_tag,
        body=StructBody(ChangeBody),
        answer=shown_as(ChangedTag),
        problems=("not_found",),
        personal=OF_PEOPLE,
    ),
    Endpoint(
        method="DELETE",
        path=ID_TAG,
        role=Role.ADMIN,
        tag=TAG,
        summary="Remove a tag, which then is unknown; what it was stays.",
        handle=remove_tag,
        status=204,
        problems=("not_found",),
    ),
    Endpoint(
        method="GET",
        path=ASKED,
        role=Role.VIEWER,
        tag=TAG,
        summary="List the unknown tags that wait for an operator (--unknown-tags ask), the last one first.",
        handle=list_asked,
        answer=page_of(AskedTag),
    ),
    Endpoint(
        method="DELETE",
        path=f"{ASKED}/{{tag}}",
        role=Role.OPERATOR,
        tag=TAG,
        summary="Forget an unknown tag until it is presented again.",
        handle=dismiss_asked,
        status=204,
        problems=("not_found",),
    ),
    Endpoint(
        method="POST",
        path="/api/admin/id-tag-import",
        role=Role.OPERATOR,
        tag=TAG,
        summary="Add and change tags by a CSV file: all of it, or nothing and what is wrong with each line.",
        handle=import_tags,
        body=StreamedBody(CSV),
        answer=shown_as(TagImport),
        problems=("too_large", "too_slow", "unfinished", "too_many_waiting"),
    ),
    Endpoint(
        method="GET",
        path="/api/admin/id-tag-export",
        role=Role.OPERATOR,
        tag=TAG,
        summary="Download all tags as CSV.",
        handle=export_tags,
        answer=str,
        media_type=CSV,
    ),
)

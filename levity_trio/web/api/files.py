"""Files: what chargers sent, and the firmware that they fetch.

Diagnostics and logs may hold secrets of a charger, so only operators, who can ask for them, may read them.
"""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Final

import msgspec

from levity_trio.store.file_folder import DiskRefuses, Written
from levity_trio.store.reads import files as stored
from levity_trio.store.reads.files import StoredFile
from levity_trio.store.writes import files as writes
from levity_trio.store.writes.files import NewFile
from levity_trio.web.api.context import Api
from levity_trio.web.api.endpoints import Asked, Endpoint, Role, StreamedBody
from levity_trio.web.api.lists import OfCharger, Page, Paged, page, page_of, wanted
from levity_trio.web.api.problems import Problem, busy, not_found, of_upload
from levity_trio.web.api.shown import show, shown_as
from levity_trio.web.files.shelf import MEDIA_TYPE, NoPlace, file_name, file_response

TAG: Final = "files"
FILES: Final = "/api/admin/files"
FILE: Final = f"{FILES}/{{id}}"
FIRMWARE: Final = "firmware"
TITLE: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
"""No title is a URL, so a location cannot be taken for one."""
PLACE_SECONDS: Final = 30


class FilesQuery(Paged, kw_only=True):
    charger: OfCharger = None


class NewFirmware(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The name by which the location of an update names the firmware."""

    title: Annotated[str, msgspec.Meta(pattern=TITLE, max_length=100, examples=["grizzl-5.6.bin"])]


async def list_files(asked: Asked) -> Page[Any]:
    query: FilesQuery = asked.query
    return await page(asked.api, partial(stored.files, charger=query.charger, wanted=wanted(query)))


async def get_file(asked: Asked) -> Any:
    return show(await _found(asked.api, asked.number()))


async def get_content(asked: Asked) -> Any:
    found = await _found(asked.api, asked.number())
    response = None
    if found.deleted_at is None:
        response = await file_response(asked.api.shelf, found.name, called=found.title or found.name)
    if response is None:
        raise Problem(HTTPStatus.NOT_FOUND, "not_found", f"the content of file {found.id} is deleted")
    return response


async def add_firmware(asked: Asked) -> Any:
    api, title = asked.api, asked.query.title
    if await api.reader.run(partial(stored.firmware, title=title)) is not None:
        raise _taken(title)
    name = file_name(api.now(), FIRMWARE, title)

    async def store(written: Written) -> int:
        new = NewFile(
            kind=FIRMWARE,
            name=name,
            title=title,
            size_bytes=written.size_bytes,
            sha256=written.sha256,
            created_at=api.stamp(),
        )
        number = await api.writer.run(writes.add, new)
        if number is None:
            raise _taken(title)
        return number

    async with api.places.wait():
        number = await _keep(asked, name, store)
    return show(await _found(api, number))


async def _keep(asked: Asked, name: str, store: Any) -> int:
    shelf = asked.api.shelf
    try:
        async with shelf.place():
            with of_upload():
                kept: int = await shelf.folder.keep(name, asked.body, store)
    except DiskRefuses as error:
        raise Problem(HTTPStatus.INSUFFICIENT_STORAGE, "not_stored", str(error)) from None
    except NoPlace as error:
        raise busy("busy", str(error), PLACE_SECONDS) from None
    return kept


async def delete_file(asked: Asked) -> None:
    number = asked.number()
    name = await asked.api.writer.run(writes.delete, number, asked.api.stamp(), asked.caller.name)
    if name is None:
        raise not_found(f"file {number}")
    await asked.api.shelf.folder.remove([name])


async def _found(api: Api, number: int) -> StoredFile:
    found = await api.reader.run(partial(stored.file, number=number))
    if found is None:
        raise not_found(f"file {number}")
    return found


def _taken(title: str) -> Problem:
    words = f"there is firmware of the name {title}; delete it first, or choose another name"
    return Problem(HTTPStatus.CONFLICT, "conflict", words)


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path=FILES,
        role=Role.VIEWER,
        tag=TAG,
        summary="List files, the newest first",
        handle=list_files,
        query=FilesQuery,
        answer=page_of(StoredFile),
    ),
    Endpoint(
        method="POST",
        path=FILES,
        role=Role.ADMIN,
        tag=TAG,
        summary="Add firmware, which the location of UpdateFirmware may then name",
        handle=add_firmware,
        query=NewFirmware,
        body=StreamedBody(),
        answer=shown_as(StoredFile),
        status=HTTPStatus.CREATED,
        problems=("conflict", "not_stored", "too_large", "too_slow", "busy", "unfinished"),
    ),
    Endpoint(
        method="GET",
        path=FILE,
        role=Role.VIEWER,
        tag=TAG,
        summary="Show a file, also one that was deleted",
        handle=get_file,
        answer=shown_as(StoredFile),
        problems=("not_found",),
    ),
    Endpoint(
        method="GET",
        path=f"{FILE}/content",
        role=Role.OPERATOR,
        tag=TAG,
        summary="Download a file, or a range of it",
        handle=get_content,
        answer=str,
        media_type=MEDIA_TYPE,
        problems=("not_found",),
    ),
    Endpoint(
        method="DELETE",
        path=FILE,
        role=Role.ADMIN,
        tag=TAG,
        summary="Delete a file; its row stays",
        handle=delete_file,
        status=204,
        problems=("not_found",),
    ),
)

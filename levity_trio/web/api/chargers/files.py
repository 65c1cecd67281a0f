"""Files: what chargers sent, and the firmware that they fetch.

Diagnostics and logs may hold secrets of a charger, so only operators, who can ask for them, may
read them.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from http import HTTPStatus
from typing import Annotated, Final

from starlette.responses import Response

from levity_trio.records import whole_text
from levity_trio.store.beside.file_folder import DiskRefuses, Written
from levity_trio.store.reads.chargers import files as stored
from levity_trio.store.reads.chargers.files import StoredFile
from levity_trio.store.reads.pages import ListPage
from levity_trio.store.writes.chargers import files as writes
from levity_trio.store.writes.chargers.files import NewFile
from levity_trio.told import Told
from levity_trio.web.api.engine.endpoints import (
    CREATED,
    ClientInput,
    Endpoints,
    Request,
    Role,
    StreamedBody,
    TypedRequest,
)
from levity_trio.web.api.engine.lists import OfCharger, Paged, page, wanted
from levity_trio.web.api.engine.problems import Problem, busy, conflict, not_found, of_upload
from levity_trio.web.files.shelf import MEDIA_TYPE, NoPlace, file_name, file_response

TAG: Final = "files"
ENDPOINTS: Final = Endpoints(TAG)
FILES: Final = "/api/admin/files"
FILE: Final = f"{FILES}/{{id}}"
FIRMWARE: Final = "firmware"
TITLE: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
"""No title is a URL, so a location cannot be taken for one."""
PLACE_SECONDS: Final = 30


class FilesQuery(Paged):
    charger: OfCharger = None


class NewFirmware(ClientInput):
    """The name by which the location of an update names the firmware."""

    title: Annotated[
        str,
        whole_text(
            pattern=TITLE,
            words=Told("use A-Z, a-z, 0-9, . _ and -, first a letter or a digit"),
            max_length=100,
            examples=["grizzl-5.6.bin"],
        ),
    ]


@ENDPOINTS.get(FILES, Role.VIEWER)
async def list_files(request: TypedRequest[FilesQuery, None]) -> ListPage[StoredFile]:
    """List files, the newest first"""
    query = request.query
    return await page(request, stored.files, charger=query.charger, wanted=wanted(query))


@ENDPOINTS.post(
    FILES,
    Role.ADMIN,
    *("conflict", "not_stored", "too_large", "too_slow", "busy", "unfinished"),
    body=StreamedBody(),
    status=CREATED,
)
async def add_firmware(
    request: TypedRequest[NewFirmware, AsyncGenerator[bytes, None]],
) -> StoredFile:
    """Add firmware, which the location of UpdateFirmware may then name"""
    api, title = request.api, request.query.title
    if await request.read(stored.firmware, title=title) is not None:
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
        # Somebody may have taken the name while the file arrived.
        if number is None:
            raise _taken(title)
        return number

    try:
        async with api.places.wait(), api.shelf.place():
            with of_upload():
                number = await api.shelf.folder.keep(name, request.body, store)
    except DiskRefuses as error:
        raise Problem(HTTPStatus.INSUFFICIENT_STORAGE, "not_stored", str(error)) from None
    except NoPlace as error:
        raise busy("busy", str(error), PLACE_SECONDS) from None
    return await _shown(request, number)


@ENDPOINTS.get(FILE, Role.VIEWER, "not_found")
async def get_file(request: Request) -> StoredFile:
    """Show a file, also one that was deleted"""
    return await _shown(request, request.number())


@ENDPOINTS.get(f"{FILE}/content", Role.OPERATOR, "not_found", media_type=MEDIA_TYPE)
async def get_content(request: Request) -> Response:
    """Download a file, or a range of it"""
    file = await _shown(request, request.number())
    response = None
    if file.deleted_at is None:
        response = await file_response(request.api.shelf, file.name, called=file.title or file.name)
    if response is None:
        words = Told("the content of file {1} is deleted", file.id)
        raise Problem(HTTPStatus.NOT_FOUND, "not_found", words)
    return response


async def _shown(request: Request, number: int) -> StoredFile:
    return await request.find(stored.file, Told("file {1}", number), number=number)


@ENDPOINTS.delete(FILE, Role.ADMIN, "not_found")
async def delete_file(request: Request) -> None:
    """Delete a file; its row stays"""
    number = request.number()
    name = await request.write(writes.delete, number)
    if name is None:
        raise not_found(Told("file {1}", number))
    await request.api.shelf.folder.remove([name])


def _taken(title: str) -> Problem:
    words = Told(
        "there is firmware of the name {1}; delete it first, or choose another name", title
    )
    return conflict(words)

"""Who bills: name, address, bank account, logo and template, as they stand on statements from now on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Annotated, Any, Final

import msgspec
from starlette.responses import Response

from levity_trio.billing.bank_accounts import grouped
from levity_trio.documents import DocumentProblem, NotInstalled, printing
from levity_trio.documents.logo import LARGEST_BYTES, media_type
from levity_trio.documents.template import ENGLISH_TEXT, TemplateProblem, parse
from levity_trio.store.billing.biller import Biller, newest_biller
from levity_trio.store.reads import biller as stored
from levity_trio.store.reads.biller import BillerRow
from levity_trio.store.reads.shapes import rows_of
from levity_trio.store.writes import biller as writes
from levity_trio.store.writes.biller import BillerRefused
from levity_trio.web.api.endpoints import Asked, Endpoint, Role, StreamedBody, StructBody
from levity_trio.web.api.problems import Problem, invalid, not_found, of_upload
from levity_trio.web.api.shown import show, shown_as

TAG: Final = "statements"
BILLER: Final = "/api/admin/biller"
LOGO: Final = f"{BILLER}/logo"
TEMPLATE: Final = f"{BILLER}/template"
TOML: Final = "application/toml"
LARGEST_TEMPLATE_BYTES: Final = 100_000
NOSNIFF: Final = {"x-content-type-options": "nosniff", "cache-control": "no-store"}
UPLOAD: Final = ("too_large", "too_slow", "unfinished")
OF_PEOPLE: Final = ("name", "address", "contact", "bank_account", "bank_name", "tax_number")
Text = Annotated[str, msgspec.Meta(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")] | None
Lines = Annotated[str, msgspec.Meta(max_length=1000, pattern=r"^[^\x00-\x09\x0b-\x1f\x7f]*$")] | None


class BillerBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Who bills. What is left out is empty. An IBAN is checked, and makes the QR code of a payment in EUR."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
    address: Annotated[Lines, msgspec.Meta(description="Its lines.")] = None
    contact: Annotated[Text, msgspec.Meta(description="Whom to ask about a line.")] = None
    bank_account: Text = None
    bank_name: Text = None
    tax_number: Text = None
    payment_days: Annotated[int, msgspec.Meta(ge=0, le=365, description="After closing.")] = 14


async def get_biller(asked: Asked) -> Any:
    found = await asked.api.reader.run(stored.biller)
    if found is None:
        raise not_found("owner yet who bills; say who with levity-trio bill owner set")
    return show(found)


async def set_biller(asked: Asked) -> Any:
    body: BillerBody = asked.body
    fields = {
        name: (value.strip() or None) if isinstance(value, str) else value
        for name, value in msgspec.structs.asdict(body).items()
    }
    if fields["bank_account"]:
        fields["bank_account"] = grouped(fields["bank_account"])
    await _change(asked, fields | {"name": fields["name"] or ""})
    return await get_biller(asked)


async def get_logo(asked: Asked) -> Response:
    found = await _newest(asked)
    if found is None or found.owner.logo is None:
        raise not_found("logo")
    return Response(found.owner.logo, headers=NOSNIFF, media_type=media_type(found.owner.logo))


async def set_logo(asked: Asked) -> Any:
    logo = await _content(asked, LARGEST_BYTES)
    try:
        media_type(logo)
        async with asked.api.places.wait():
            await printing.check_logo(logo)
    except NotInstalled as problem:
        raise Problem(HTTPStatus.CONFLICT, "not_made", str(problem)) from None
    except DocumentProblem as problem:
        raise invalid("body", str(problem)) from None
    await _change(asked, {"logo": logo})
    return await get_biller(asked)


async def remove_logo(asked: Asked) -> None:
    await _remove(asked, "logo")


async def get_template(asked: Asked) -> Response:
    found = await _newest(asked)
    text = found.template if found is not None else None
    return Response(text or ENGLISH_TEXT, headers=NOSNIFF, media_type=TOML)


async def set_template(asked: Asked) -> Any:
    content = await _content(asked, LARGEST_TEMPLATE_BYTES)
    try:
        text = content.decode("utf-8-sig").replace("\r\n", "\n")
        parse(text)
    except UnicodeDecodeError:
        raise invalid("body", "save the file as UTF-8") from None
    except TemplateProblem as problem:
        first, *others = problem.args
        words = f"body: {first}" + (f" (and {len(others)} more faults)" if others else "")
        members = {"field": "body", "faults": [*problem.args]}
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", words, **members) from None
    await _change(asked, {"template": text})
    return await get_biller(asked)


async def remove_template(asked: Asked) -> None:
    await _remove(asked, "template")


async def _remove(asked: Asked, name: str) -> None:
    if await _newest(asked) is not None:
        await _change(asked, {name: None})


async def _newest(asked: Asked) -> Biller | None:
    return await asked.api.reader.run(lambda db: newest_biller(rows_of(db)))


async def _change(asked: Asked, fields: Mapping[str, Any]) -> None:
    with _refusals():
        await asked.api.writer.run(writes.change, fields, asked.api.stamp(), asked.caller.name)


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except BillerRefused as refused:
        raise invalid(refused.field, str(refused)) from None


async def _content(asked: Asked, most: int) -> bytes:
    """Return a body of so many bytes at most. Raises Problem."""
    content = bytearray()
    with of_upload():
        async for part in asked.body:
            content += part
            if len(content) > most:
                raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", f"give at most {most} bytes")
    return bytes(content)


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path=BILLER,
        role=Role.OPERATOR,
        tag=TAG,
        summary="Show who bills.",
        handle=get_biller,
        answer=shown_as(BillerRow),
        problems=("not_found",),
    ),
    Endpoint(
        method="PUT",
        path=BILLER,
        role=Role.ADMIN,
        tag=TAG,
        summary="Say who bills: logo and template stay.",
        handle=set_biller,
        body=StructBody(BillerBody),
        answer=shown_as(BillerRow),
        problems=("not_found",),
        personal=OF_PEOPLE,
    ),
    Endpoint(
        method="GET",
        path=LOGO,
        role=Role.OPERATOR,
        tag=TAG,
        summary="Download the logo.",
        handle=get_logo,
        answer=str,
        media_type="image/png",
        other_media_types=("image/jpeg",),
        problems=("not_found",),
    ),
    Endpoint(
        method="PUT",
        path=LOGO,
        role=Role.ADMIN,
        tag=TAG,
        summary=f"Give the logo of statements: a PNG or JPEG of {LARGEST_BYTES:,} bytes at most.",
        handle=set_logo,
        body=StreamedBody("image/*"),
        answer=shown_as(BillerRow),
        problems=("not_found", *UPLOAD, "too_many_waiting", "not_made"),
    ),
    Endpoint(
        method="DELETE",
        path=LOGO,
        role=Role.ADMIN,
        tag=TAG,
        summary="Remove the logo.",
        handle=remove_logo,
        status=204,
        problems=("invalid",),
    ),
    Endpoint(
        method="GET",
        path=TEMPLATE,
        role=Role.OPERATOR,
        tag=TAG,
        summary="Download the words and formats of statements, those of this program without own ones.",
        handle=get_template,
        answer=str,
        media_type=TOML,
    ),
    Endpoint(
        method="PUT",
        path=TEMPLATE,
        role=Role.ADMIN,
        tag=TAG,
        summary="Give own words and formats of statements. Nothing is stored if the file has a fault.",
        handle=set_template,
        body=StreamedBody(TOML),
        answer=shown_as(BillerRow),
        problems=("not_found", *UPLOAD),
    ),
    Endpoint(
        method="DELETE",
        path=TEMPLATE,
        role=Role.ADMIN,
        tag=TAG,
        summary="Return to the words and formats of this program.",
        handle=remove_template,
        status=204,
        problems=("invalid",),
    ),
)

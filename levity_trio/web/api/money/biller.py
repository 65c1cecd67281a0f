"""Who bills: name, address, bank account, logo and template, as they stand on statements from now
on."""

from __future__ import annotations

from typing import Final

import msgspec
from starlette.responses import Response

from levity_trio import nouns
from levity_trio.billing.bank_accounts import grouped
from levity_trio.documents import DocumentProblem, NotInstalled, printing
from levity_trio.documents.sheet import LARGEST_LOGO_BYTES, media_type
from levity_trio.documents.template import ENGLISH_TEXT, TemplateProblem, parse
from levity_trio.store.billing.biller import Biller, newest_biller
from levity_trio.store.engine.database import rows_of
from levity_trio.store.reads.money import billing
from levity_trio.store.reads.money.billing import BillerRow
from levity_trio.store.writes.money import biller as writes
from levity_trio.told import Told
from levity_trio.web.api.engine.endpoints import (
    ClientInput,
    Endpoints,
    Request,
    Role,
    StreamedBody,
    TypedRequest,
    Upload,
    Values,
    content_of,
)
from levity_trio.web.api.engine.problems import invalid, not_found
from levity_trio.web.api.people.accounts import Language

TAG: Final = "statements"
ENDPOINTS: Final = Endpoints(TAG)
BILLER: Final = "/api/admin/biller"
LOGO: Final = f"{BILLER}/logo"
TEMPLATE: Final = f"{BILLER}/template"
TOML: Final = "application/toml"
LARGEST_TEMPLATE_BYTES: Final = 100_000
NOSNIFF: Final = {"x-content-type-options": "nosniff", "cache-control": "no-store"}


class BillerBody(nouns.Biller, ClientInput):
    """Who bills. What is left out is empty. An IBAN is checked, and makes the QR code of a payment
    in EUR."""

    language: Language | None = None


@ENDPOINTS.get(BILLER, Role.OPERATOR, "not_found")
async def get_biller(request: Request) -> BillerRow:
    """Show who bills."""
    what = Told("owner yet who bills; say who with levity-trio bill owner set")
    return await request.find(billing.biller, what)


@ENDPOINTS.put(BILLER, Role.ADMIN, "not_found")
async def set_biller(request: TypedRequest[None, BillerBody]) -> BillerRow:
    """Say who bills: logo and template stay."""
    fields: Values = {}
    for name, value in msgspec.structs.asdict(request.body).items():
        is_text = isinstance(value, str)
        fields[name] = (value.strip() or None) if is_text else value
    if fields["bank_account"]:
        fields["bank_account"] = grouped(fields["bank_account"])
    fields["name"] = fields["name"] or ""
    await request.write(writes.change, fields)
    return await get_biller(request)


@ENDPOINTS.get(
    LOGO, Role.OPERATOR, "not_found", media_type="image/png", other_media_types=("image/jpeg",)
)
async def get_logo(request: Request) -> Response:
    """Download the logo."""
    biller = await _newest(request)
    if biller is None or biller.owner.logo is None:
        raise not_found("logo")
    logo = biller.owner.logo
    return Response(logo, headers=NOSNIFF, media_type=media_type(logo))


@ENDPOINTS.put(
    LOGO,
    Role.ADMIN,
    "not_found",
    "too_many_waiting",
    "not_made",
    summary=f"Give the logo of statements: a PNG or JPEG of {LARGEST_LOGO_BYTES:,} bytes at most.",
    body=StreamedBody("image/*"),
)
async def set_logo(request: Upload) -> BillerRow:
    logo = await content_of(request, LARGEST_LOGO_BYTES)
    try:
        # What is no picture is refused before a process is begun for it.
        media_type(logo)
        async with request.api.places.wait():
            await printing.check_logo(logo)
    except NotInstalled:
        raise
    except DocumentProblem as problem:
        raise invalid("body", str(problem)) from None
    await request.write(writes.change, {"logo": logo})
    return await get_biller(request)


@ENDPOINTS.delete(LOGO, Role.ADMIN)
async def remove_logo(request: Request) -> None:
    """Remove the logo."""
    if await _newest(request) is not None:
        await request.write(writes.change, {"logo": None})


@ENDPOINTS.get(TEMPLATE, Role.OPERATOR, media_type=TOML)
async def get_template(request: Request) -> Response:
    """Download the words and formats of statements, those of this program without own ones."""
    biller = await _newest(request)
    text = (biller and biller.template) or ENGLISH_TEXT
    return Response(text, headers=NOSNIFF, media_type=TOML)


@ENDPOINTS.put(TEMPLATE, Role.ADMIN, "not_found", body=StreamedBody(TOML))
async def set_template(request: Upload) -> BillerRow:
    """Give own words and formats of statements. Nothing is stored if the file has a fault."""
    content = await content_of(request, LARGEST_TEMPLATE_BYTES)
    try:
        text = content.decode("utf-8-sig").replace("\r\n", "\n")
        parse(text)
    except UnicodeDecodeError:
        raise invalid("body", Told("save the file as UTF-8")) from None
    except TemplateProblem as problem:
        faults = problem.args
        words, *others = faults
        if others:
            words = Told(
                "{2} (and {1} more fault)", len(others), words, many="{2} (and {1} more faults)"
            )
        raise invalid("body", words, faults=faults) from None
    await request.write(writes.change, {"template": text})
    return await get_biller(request)


@ENDPOINTS.delete(TEMPLATE, Role.ADMIN)
async def remove_template(request: Request) -> None:
    """Return to the words and formats of this program."""
    if await _newest(request) is not None:
        await request.write(writes.change, {"template": None})


async def _newest(request: Request) -> Biller | None:
    return await request.read(lambda db: newest_biller(rows_of(db)))

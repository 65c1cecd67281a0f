"""Certificates: the authority, those of chargers, and their requests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from http import HTTPStatus
from pathlib import Path
from ssl import PEM_cert_to_DER_cert
from typing import Annotated, Any, Final, TypeVar

import msgspec
from starlette.responses import Response

from levity_trio.access.certificates import Described
from levity_trio.authority import AuthorityProblem, NoRequest
from levity_trio.authority.apart import examine, read_certificate, read_own, read_pages
from levity_trio.authority.folder import has_root
from levity_trio.config import certificates_folder, pages_folder
from levity_trio.store.reads import chargers, securing
from levity_trio.store.reads.securing import Certificate, CertificateRequest
from levity_trio.store.writes import certificates as writes
from levity_trio.store.writes.certificates import NewCertificate
from levity_trio.web.api.charger_facts import PagedWhose, both, whose
from levity_trio.web.api.endpoints import Asked, Endpoint, Role, StructBody
from levity_trio.web.api.lists import page, wanted
from levity_trio.web.api.problems import Problem, invalid, not_found
from levity_trio.web.api.shown import show, shown_as
from levity_trio.wire.times import stamp

T = TypeVar("T")

TAG: Final = "certificates"
CERTIFICATES: Final = "/api/admin/certificates"
LONGEST_PEM: Final = 20_000
PAGES: Final = "/api/admin/pages-certificate"
CA_CERTIFICATE: Final = "application/x-x509-ca-cert"
ROOT_FILE: Final = "levity-pages-root.crt"


class OwnCertificate(msgspec.Struct):
    """A certificate of this server: its root, or one for --tls-port."""

    subject: str
    serial: str
    fingerprint: str
    not_before: str
    not_after: str
    names: list[str]
    pem: str


class Authority(msgspec.Struct):
    """This server's certificate authority; `organization` is what chargers know as CpoName."""

    organization: str
    root: OwnCertificate
    server: list[OwnCertificate]


class PagesCertificate(msgspec.Struct):
    """The root for the pages of this site, which phones may trust, and the certificate of the site by that root."""

    root: OwnCertificate
    site: OwnCertificate


class AdoptedBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A certificate of another authority that shall open the door of a charger."""

    charger: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    pem: Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_PEM)]


class NameBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Why a charger may have a certificate with a name that does not contain its serial number."""

    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=500, pattern=r"\S")]


class RevocationBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Why a certificate is revoked."""

    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]


async def _list(asked: Asked) -> object:
    charger = await whose(asked)
    return await page(asked.api, partial(securing.certificates, charger=charger, wanted=wanted(asked.query)))


async def _list_requests(asked: Asked) -> object:
    charger = await whose(asked)
    return await page(asked.api, partial(securing.requests, charger=charger, wanted=wanted(asked.query)))


async def _authority(asked: Asked) -> Authority:
    folder = certificates_folder(asked.api.config.beside)
    own = await _read(folder, read_own, "certificate authority; create one with `levity-trio certificate init`")
    return Authority(own.organization, _own(own.root), [_own(one) for one in own.server])


async def _pages(asked: Asked) -> PagesCertificate:
    folder = pages_folder(asked.api.config.beside)
    root, site = await _read(folder, read_pages, "root for pages; create one with `levity-trio certificate pages`")
    return PagesCertificate(_own(root), _own(site))


async def _read(folder: Path, read: Callable[[Path], Awaitable[T]], missing: str) -> T:
    """Return what a folder of ours has. Raises Problem: there is nothing, or it cannot be read."""
    if not has_root(folder):
        raise not_found(missing)
    try:
        return await read(folder)
    except AuthorityProblem as problem:
        raise Problem(HTTPStatus.CONFLICT, "conflict", str(problem)) from None


async def _pages_root(asked: Asked) -> Response:
    """Return it as phones and computers take it: in DER, shown and not kept, so that they offer to install it."""
    found = await _pages(asked)
    headers = {"content-disposition": f'inline; filename="{ROOT_FILE}"', "x-content-type-options": "nosniff"}
    return Response(PEM_cert_to_DER_cert(found.root.pem), headers=headers, media_type=CA_CERTIFICATE)


def _own(described: Described) -> OwnCertificate:
    return OwnCertificate(
        subject=described.subject,
        serial=described.serial,
        fingerprint=described.fingerprint,
        not_before=stamp(described.not_before),
        not_after=stamp(described.not_after),
        names=list(described.names),
        pem=described.pem,
    )


async def _adopt(asked: Asked) -> Any:
    body: AdoptedBody = asked.body
    api = asked.api
    if not await api.reader.run(partial(chargers.is_known, identity=body.charger)):
        raise not_found(f"charger {body.charger}")
    try:
        described = await read_certificate(body.pem)
    except ValueError as problem:
        raise invalid("pem", str(problem)) from None
    new = NewCertificate.of(described)
    number = await api.writer.run(writes.adopt, body.charger, new, api.stamp(), asked.caller.name)
    if number is None:
        raise Problem(HTTPStatus.CONFLICT, "conflict", "this certificate is known already; look at the list")
    return await _shown(asked, number)


async def _allow(asked: Asked) -> Any:
    api, number = asked.api, asked.number()
    body: NameBody = asked.body
    found = await api.reader.run(partial(securing.request, number=number))
    if found is None:
        raise not_found(f"certificate request {number}")
    if found.result != "rejected":
        raise Problem(HTTPStatus.CONFLICT, "conflict", f"certificate request {number} was not rejected")
    try:
        organization, requested = await examine(api.config, found.csr)
    except (AuthorityProblem, NoRequest) as problem:
        raise Problem(HTTPStatus.CONFLICT, "conflict", str(problem)) from None
    given = (number, requested, organization, api.stamp(), asked.caller.name, body.reason)
    if (words := await api.writer.run(writes.allow_name, *given)) is not None:
        raise Problem(HTTPStatus.CONFLICT, "conflict", words)
    return show(found)


async def _revoke(asked: Asked) -> Any:
    api, number = asked.api, asked.number()
    body: RevocationBody = asked.body
    if await api.writer.run(writes.revoke, number, api.stamp(), asked.caller.name, body.reason) is None:
        found = await _shown(asked, number)
        detail = f"certificate {number} was revoked at {found['revoked_at']}"
        raise Problem(HTTPStatus.CONFLICT, "conflict", detail)
    return await _shown(asked, number)


async def _shown(asked: Asked, number: int) -> Any:
    found = await asked.api.reader.run(partial(securing.certificate, number=number))
    if found is None:
        raise not_found(f"certificate {number}")
    return show(found)


ENDPOINTS: Final = (
    *both("certificates", _list, PagedWhose, Certificate, "the client certificates, newest first,"),
    *both(
        *("certificate-requests", _list_requests, PagedWhose, CertificateRequest),
        "the requests for certificates, newest first,",
    ),
    Endpoint(
        method="POST",
        path="/api/admin/certificate-requests/{id}/allow",
        role=Role.ADMIN,
        tag=TAG,
        summary="Let the requests of a charger have the name of a rejected one, without its serial number.",
        handle=_allow,
        body=StructBody(NameBody),
        answer=shown_as(CertificateRequest),
        problems=("not_found", "conflict", "invalid"),
    ),
    Endpoint(
        method="GET",
        path="/api/admin/certificate-authority",
        role=Role.VIEWER,
        tag=TAG,
        summary="Show the root and the server certificates of this server's authority.",
        handle=_authority,
        answer=Authority,
        problems=("not_found", "conflict"),
    ),
    Endpoint(
        method="GET",
        path=PAGES,
        role=Role.VIEWER,
        tag=TAG,
        summary="Show the root for the pages of this site, and the certificate of the site.",
        handle=_pages,
        answer=PagesCertificate,
        problems=("not_found", "conflict"),
    ),
    Endpoint(
        method="GET",
        path=f"{PAGES}/root",
        role=Role.VIEWER,
        tag=TAG,
        summary="Download the root for the pages of this site, for phones and computers that shall trust it.",
        handle=_pages_root,
        answer=str,
        media_type=CA_CERTIFICATE,
        problems=("not_found", "conflict"),
    ),
    Endpoint(
        method="POST",
        path=CERTIFICATES,
        role=Role.ADMIN,
        tag=TAG,
        summary="Adopt a certificate of another authority: it opens the door of this charger, and of no other.",
        handle=_adopt,
        body=StructBody(AdoptedBody),
        answer=shown_as(Certificate),
        status=201,
        problems=("not_found", "conflict", "invalid"),
    ),
    Endpoint(
        method="POST",
        path=f"{CERTIFICATES}/{{id}}/revoke",
        role=Role.ADMIN,
        tag=TAG,
        summary="Revoke a certificate, and end the connection that it opened.",
        handle=_revoke,
        body=StructBody(RevocationBody),
        answer=shown_as(Certificate),
        problems=("not_found", "conflict", "invalid"),
    ),
)

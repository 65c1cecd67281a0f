"""Who may connect as a charger: the required security profile, passwords, and readmission.

Certificates: the authority, those of chargers and their requests; and the way of a charger to a
security profile.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from ssl import PEM_cert_to_DER_cert
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta
from starlette.responses import Response

from levity_trio.access import passwords
from levity_trio.access.certificates import Described
from levity_trio.access.passwords import GENERATED, GIVEN, Kind
from levity_trio.access.securing import Step, address_key, steps
from levity_trio.authority import AuthorityProblem, NoRequest
from levity_trio.authority.apart import examine, read_certificate, read_own, read_pages
from levity_trio.authority.folder import has_root
from levity_trio.charger.doors import stretch
from levity_trio.config import ServerConfig, certificates_folder, pages_folder
from levity_trio.records import whole_text
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.reads.chargers import chargers, security
from levity_trio.store.reads.chargers import security as stored
from levity_trio.store.reads.chargers.security import (
    Certificate,
    CertificateRequest,
    Securing,
    SecurityOfCharger,
)
from levity_trio.store.reads.pages import ListPage
from levity_trio.store.writes.chargers import security as writes
from levity_trio.store.writes.chargers.hiding import UnknownIdentity
from levity_trio.store.writes.chargers.security import NewCertificate, NewPlan, NotProvable
from levity_trio.told import Moment, Told
from levity_trio.web.api.chargers.chargers import CHARGER, PagedWhose, both, known_charger, whose
from levity_trio.web.api.engine.endpoints import (
    CREATED,
    NOT_BLANK,
    ClientInput,
    Endpoints,
    Request,
    Role,
    TypedRequest,
)
from levity_trio.web.api.engine.lists import page, wanted
from levity_trio.web.api.engine.problems import conflict, invalid, not_found
from levity_trio.wire.times import stamp

ENDPOINTS: Final = Endpoints("security")
READMITTED_MINUTES: Final = 10

ProfileNumber = Annotated[int, Meta(ge=0, le=3, description="Security profile of OCPP 1.6.")]


Password = Annotated[
    str,
    whole_text(
        pattern=r"^([0-9A-Fa-f]{2}){16,20}$",
        words=Told("give 32 to 40 hexadecimal digits, an even number"),
        description="16 to 20 bytes, hexadecimal; left out, one is made.",
    ),
]


class ProfileBody(ClientInput):
    """The security profile that is required of a charger from now on."""

    profile: ProfileNumber


class PasswordBody(ClientInput):
    """A new password, which somebody enters at the charger.

    + keep_old: Whether the passwords so far open the door until the new one is used.
    """

    password: Password | None = None
    keep_old: bool = True


class MadePassword(msgspec.Struct):
    """A new password, hexadecimal, as AuthorizationKey takes it. It is shown only now."""

    charger: str
    password: str


class ReadmitBody(ClientInput):
    """A readmission: the profile with which the charger comes back."""

    profile: ProfileNumber = 0


class Readmission(msgspec.Struct):
    """A readmission, for one handshake until this time."""

    charger: str
    profile: int
    until: str


@ENDPOINTS.get(f"{CHARGER}/security", Role.OPERATOR, "not_found")
async def get_security(request: Request) -> SecurityOfCharger:
    """Show who may connect as a charger: required profile, last use, passwords, certificates."""
    charger = request.path["id"]
    read = partial(stored.security, charger=charger)
    return await request.find(read, Told("charger {1}", charger))


@ENDPOINTS.put(f"{CHARGER}/security", Role.ADMIN, "not_found", "conflict")
async def set_profile(request: TypedRequest[None, ProfileBody]) -> SecurityOfCharger:
    """Set the security profile that is required of a charger. It rises by itself; only this lowers
    it."""
    charger, profile = request.path["id"], request.body.profile
    try:
        await request.write(writes.require_profile, charger, profile)
    except UnknownIdentity:
        raise not_found(Told("charger {1}", charger)) from None
    except NotProvable:
        words = Told("{1} has no password, so that profile {2} would lock it out", charger, profile)
        if profile > 2:
            words = Told(
                "{1} has no certificate, so that profile {2} would lock it out", charger, profile
            )
        raise conflict(words) from None
    return await get_security(request)


@ENDPOINTS.post(f"{CHARGER}/password", Role.ADMIN, "not_found", status=CREATED)
async def set_password(request: TypedRequest[None, PasswordBody]) -> MadePassword:
    """Make a password, to be entered at the charger; it is shown only in this answer."""
    charger, body = request.path["id"], request.body
    kind: Kind = GIVEN
    if body.password is None:
        text, kind = passwords.make(), GENERATED
    else:
        text = body.password.lower()
    made = await stretch(passwords.store, passwords.of_key(text), kind)
    at, by = request.api.stamp(), request.caller.name

    def write(db: UnitOfWork) -> None:
        password = writes.expect_password(db, charger, made, at, by)
        if not body.keep_old:
            writes.drop_other_passwords(db, charger, password, at, by)

    try:
        await request.commit(write)
    except UnknownIdentity:
        raise not_found(Told("charger {1}", charger)) from None
    return MadePassword(charger, text)


@ENDPOINTS.post(f"{CHARGER}/readmit", Role.ADMIN, "not_found")
async def readmit(request: TypedRequest[None, ReadmitBody]) -> Readmission:
    """Let a charger in once below its required profile, within 10 minutes, as after a factory
    reset."""
    charger, profile = request.path["id"], request.body.profile
    now = request.api.now()
    at, until = stamp(now), stamp(now + timedelta(minutes=READMITTED_MINUTES))
    by = request.caller.name
    try:
        await request.commit(writes.readmit, charger, profile, at, until, by)
    except UnknownIdentity:
        raise not_found(Told("charger {1}", charger)) from None
    return Readmission(charger, profile, until)


T = TypeVar("T")

CERTIFICATE_ENDPOINTS: Final = Endpoints("certificates", ENDPOINTS)
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
    """The root for the pages of this site, which phones may trust, and the certificate of the site
    by that root."""

    root: OwnCertificate
    site: OwnCertificate


class AdoptedBody(ClientInput):
    """A certificate of another authority that shall open the door of a charger.

    - charger: The charger whose certificate it is.
    - pem: The certificate, in PEM.
    """

    charger: Annotated[str, Meta(min_length=1, max_length=255)]
    pem: Annotated[str, Meta(min_length=1, max_length=LONGEST_PEM)]


class NameBody(ClientInput):
    """Why a charger may have a certificate with a name that does not contain its serial number.

    - reason: Why it may have such a name.
    """

    reason: Annotated[str, Meta(min_length=1, max_length=500, pattern=r"\S", extra=NOT_BLANK)]


class RevocationBody(ClientInput):
    """Why a certificate is revoked.

    - reason (--reason TEXT): Why it is revoked.
    """

    reason: Annotated[str, Meta(min_length=1, max_length=500)]


@both(CERTIFICATE_ENDPOINTS, "certificates", "the client certificates, newest first,")
async def _list(request: TypedRequest[PagedWhose, None]) -> ListPage[Certificate]:
    charger = await whose(request)
    read = partial(security.certificates, charger=charger, wanted=wanted(request.query))
    return await page(request, read)


@both(CERTIFICATE_ENDPOINTS, "certificate-requests", "the requests for certificates, newest first,")
async def _list_requests(request: TypedRequest[PagedWhose, None]) -> ListPage[CertificateRequest]:
    charger = await whose(request)
    read = partial(security.requests, charger=charger, wanted=wanted(request.query))
    return await page(request, read)


@CERTIFICATE_ENDPOINTS.post(
    "/api/admin/certificate-requests/{id}/allow", Role.ADMIN, "not_found", "conflict", "invalid"
)
async def _allow(request: TypedRequest[None, NameBody]) -> CertificateRequest:
    """Let the requests of a charger have the name of a rejected one, without its serial number."""
    number = request.number()
    read = partial(security.request, number=number)
    rejected = await request.find(read, Told("certificate request {1}", number))
    if rejected.result != "rejected":
        raise conflict(Told("certificate request {1} was not rejected", number))
    try:
        organization, requested = await examine(request.api.config, rejected.csr)
    except (AuthorityProblem, NoRequest) as problem:
        raise conflict(str(problem)) from None
    at, by, reason = request.api.stamp(), request.caller.name, request.body.reason
    words = await request.commit(writes.allow_name, number, requested, organization, at, by, reason)
    if words is not None:
        raise conflict(words)
    return rejected


@CERTIFICATE_ENDPOINTS.get("/api/admin/certificate-authority", Role.VIEWER, "not_found", "conflict")
async def _authority(request: Request) -> Authority:
    """Show the root and the server certificates of this server's authority."""
    folder = certificates_folder(request.api.config.beside)
    missing = Told("certificate authority; create one with `levity-trio certificate init`")
    own = await _read(folder, read_own, missing)
    servers = [_own(certificate) for certificate in own.server]
    return Authority(own.organization, _own(own.root), servers)


async def _read(folder: Path, read: Callable[[Path], Awaitable[T]], missing: str) -> T:
    """Return what a folder of ours has. Raises Problem: there is nothing, or it cannot be read."""
    if not has_root(folder):
        raise not_found(missing)
    try:
        return await read(folder)
    except AuthorityProblem as problem:
        raise conflict(str(problem)) from None


@CERTIFICATE_ENDPOINTS.get(PAGES, Role.VIEWER, "not_found", "conflict")
async def _pages(request: Request) -> PagesCertificate:
    """Show the root for the pages of this site, and the certificate of the site."""
    folder = pages_folder(request.api.config.beside)
    missing = Told("root for pages; create one with `levity-trio certificate pages`")
    root, site = await _read(folder, read_pages, missing)
    return PagesCertificate(_own(root), _own(site))


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


@CERTIFICATE_ENDPOINTS.get(
    f"{PAGES}/root", Role.VIEWER, "not_found", "conflict", media_type=CA_CERTIFICATE
)
async def _pages_root(request: Request) -> Response:
    """Download the root for the pages of this site, for phones and computers that shall trust it.

    They take it in DER, shown and not kept, and then offer to install it.
    """
    certificates = await _pages(request)
    headers = {
        "content-disposition": f'inline; filename="{ROOT_FILE}"',
        "x-content-type-options": "nosniff",
    }
    content = PEM_cert_to_DER_cert(certificates.root.pem)
    return Response(content, headers=headers, media_type=CA_CERTIFICATE)


@CERTIFICATE_ENDPOINTS.post(
    CERTIFICATES, Role.ADMIN, "not_found", "conflict", "invalid", status=CREATED
)
async def _adopt(request: TypedRequest[None, AdoptedBody]) -> Certificate:
    """Adopt a certificate of another authority: it opens the door of this charger, and of no
    other."""
    body = request.body
    if not await request.read(chargers.is_known, identity=body.charger):
        raise not_found(Told("charger {1}", body.charger))
    try:
        described = await read_certificate(body.pem)
    except ValueError as problem:
        raise invalid("pem", str(problem)) from None
    number = await request.write(
        writes.adopt_certificate, body.charger, NewCertificate.of(described)
    )
    if number is None:
        raise conflict(Told("this certificate is known already; look at the list"))
    return await _shown(request, number)


@CERTIFICATE_ENDPOINTS.post(
    f"{CERTIFICATES}/{{id}}/revoke", Role.ADMIN, "not_found", "conflict", "invalid"
)
async def _revoke(request: TypedRequest[None, RevocationBody]) -> Certificate:
    """Revoke a certificate, and end the connection that it opened."""
    number = request.number()
    at, by, reason = request.api.stamp(), request.caller.name, request.body.reason
    revoked = await request.commit(writes.revoke_certificate, number, at, by, reason)
    certificate = await _shown(request, number)
    if revoked is None:
        revoked_at = Moment(certificate.revoked_at or "")
        raise conflict(Told("certificate {1} was revoked at {2}", number, revoked_at))
    return certificate


async def _shown(request: Request, number: int) -> Certificate:
    read = partial(security.certificate, number=number)
    return await request.find(read, Told("certificate {1}", number))


# Security profiles: which one a charger shall have, and where the way to it stands

PROFILE: Final = f"{CHARGER}/security-profile"
WITH_TLS, WITH_CERTIFICATE = 2, 3
LONGEST_ADDRESS: Final = 500


class SecuringBody(ClientInput):
    """The security profile that a charger shall have: 1 (password), 2 (TLS and password), 3 (client
    certificate).

    `address` is what the charger's own setting for our address is set to, where that setting is
    known; left out, it is made of the server certificate and --tls-port.

    - profile (--profile N): The profile it shall have.
    - address (--address URL): Our address for the charger's own setting, where that is known.
    """

    profile: Annotated[int, Meta(ge=1, le=3)]
    address: (
        Annotated[
            str,
            whole_text(
                max_length=LONGEST_ADDRESS,
                pattern=r"^wss?://[!-~]+$",
                words=Told("give an address that begins with ws:// or wss://"),
            ),
        ]
        | None
    ) = None


@CERTIFICATE_ENDPOINTS.get("/api/admin/security-profiles", Role.VIEWER, "invalid")
async def _list_securing(request: TypedRequest[PagedWhose, None]) -> ListPage[Securing]:
    """List the security profiles that were asked for, newest first, and where each stands."""
    charger = await whose(request)
    read = partial(security.all_securing, charger=charger, wanted=wanted(request.query))
    return await page(request, read)


@CERTIFICATE_ENDPOINTS.post(PROFILE, Role.ADMIN, "not_found", "conflict", "invalid")
async def _begin(request: TypedRequest[None, SecuringBody]) -> Securing:
    """Raise a charger's security profile, step by step; the same one renews its password or its
    keys."""
    charger, body, config = request.path["id"], request.body, request.api.config
    profile = body.profile
    read = partial(security.secured, charger=charger)
    known = await request.find(read, Told("charger {1}", charger))
    folder = certificates_folder(config.beside)
    has_authority = has_root(folder)
    obstacle = _obstacle(config, profile, known.profile, has_authority=has_authority)
    if obstacle is not None:
        raise conflict(obstacle, field="profile")

    own = await _read(folder, read_own, Told("certificate authority")) if has_authority else None
    address = body.address
    if not address and own and own.server and config.tls_port and profile >= WITH_TLS:
        address = _address(own.server[0].names, config.tls_port, known.target)
    key = address_key(known.vendor, known.model)
    way = steps(
        profile, known.profile, has_authority=has_authority, has_address_key=bool(key and address)
    )
    is_set = Step.ADDRESS in way
    if body.address and not is_set:
        words = Told("no setting for our address would be changed; enter it at the charger itself")
        raise conflict(words, field="address")
    plan = NewPlan(
        charger=charger,
        profile=profile,
        steps=way,
        organization=own and own.organization,
        address_key=key if is_set else None,
        address=address if is_set else None,
    )
    number = await request.write(writes.begin_plan, plan)
    planned = partial(security.securing, number=number)
    return await request.find(planned, Told("security profile {1}", number))


def _obstacle(
    config: ServerConfig, profile: int, present: int, *, has_authority: bool
) -> str | None:
    """Return why a charger cannot get this profile here."""
    if profile < present:
        return Told(
            "its security profile is {1}; a lower one is not sent to it: set what is required of "
            "it instead",
            present,
        )
    if profile >= WITH_TLS and config.tls_port is None and not config.tls_certs:
        return Told(
            "this server has no TLS: start it with --tls-port, after `levity-trio certificate "
            "server` or --tls-cert"
        )
    if profile >= WITH_CERTIFICATE and not has_authority:
        return Told(
            "security profile 3 needs a certificate authority; create one with `levity-trio "
            "certificate init`"
        )
    return None


def _address(names: Sequence[str], port: int, target: str | None) -> str | None:
    """Return our address as the charger shall dial it: its path so far, without its identity."""
    if not names:
        return None
    host = f"[{names[0]}]" if ":" in names[0] else names[0]
    path, _, _ = (target or "/").partition("?")
    folder, _, _ = path.rstrip("/").rpartition("/")
    return f"wss://{host}:{port}{folder}/"


@CERTIFICATE_ENDPOINTS.get(PROFILE, Role.VIEWER, "not_found")
async def _show(request: Request) -> Securing:
    """Show where the security profile stands that was last asked for."""
    charger = await known_charger(request)
    read = partial(security.newest_securing, charger=charger)
    return await request.find(read, Told("security profile that was asked for {1}", charger))


@CERTIFICATE_ENDPOINTS.delete(PROFILE, Role.ADMIN, "not_found")
async def _cancel(request: Request) -> Securing:
    """Cancel the way to a security profile; what was sent to the charger stays."""
    charger = request.path["id"]
    if not await request.write(writes.cancel_plan, charger):
        raise not_found(Told("security profile under way for {1}", charger))
    return await _show(request)

"""Who may connect as a charger: the required security profile, passwords, and readmission."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from levity_trio.access import passwords
from levity_trio.access.passwords import GENERATED, GIVEN, Kind
from levity_trio.charger.turns import stretch
from levity_trio.records import whole_text
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.reads.chargers import security as stored
from levity_trio.store.reads.chargers.security import SecurityOfCharger
from levity_trio.store.writes.chargers import credentials
from levity_trio.store.writes.chargers.credentials import NotProvable
from levity_trio.store.writes.chargers.hiding import UnknownIdentity
from levity_trio.told import Told
from levity_trio.web.api.chargers.chargers import CHARGER
from levity_trio.web.api.engine.endpoints import (
    CREATED,
    ClientInput,
    Endpoints,
    Request,
    Role,
    TypedRequest,
)
from levity_trio.web.api.engine.problems import conflict, not_found
from levity_trio.wire.times import stamp

TAG: Final = "security"
ENDPOINTS: Final = Endpoints(TAG)
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
    """A new password, which somebody enters at the charger."""

    password: Password | None = None
    keep_old: Annotated[
        bool,
        Meta(description="Whether the passwords so far open the door until the new one is used."),
    ] = True


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
        await request.write(credentials.require, charger, profile)
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
        password = credentials.expect_password(db, charger, made, at, by)
        if not body.keep_old:
            credentials.drop_others(db, charger, password, at, by)

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
        await request.commit(credentials.readmit, charger, profile, at, until, by)
    except UnknownIdentity:
        raise not_found(Told("charger {1}", charger)) from None
    return Readmission(charger, profile, until)

"""Who may connect as a charger: the required security profile, passwords, and readmission."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Annotated, Any, Final

import msgspec

from levity_trio.access import passwords
from levity_trio.access.passwords import GENERATED, GIVEN, Kind
from levity_trio.charger.turns import stretch
from levity_trio.store.reads import security as stored
from levity_trio.store.reads.security import SecurityOfCharger
from levity_trio.store.unit_of_work import UnitOfWork
from levity_trio.store.writes import credentials
from levity_trio.store.writes.credentials import NotProvable
from levity_trio.store.writes.hiding import UnknownCharger
from levity_trio.web.api.chargers import CHARGER
from levity_trio.web.api.endpoints import Asked, Endpoint, Role, StructBody
from levity_trio.web.api.problems import Problem, not_found
from levity_trio.web.api.shown import show, shown_as
from levity_trio.wire.times import stamp

TAG: Final = "security"
READMITTED_MINUTES: Final = 10

ProfileNumber = Annotated[int, msgspec.Meta(ge=0, le=3, description="Security profile of OCPP 1.6.")]


class ProfileBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The security profile that is required of a charger from now on."""

    profile: ProfileNumber


class PasswordBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A new password, which somebody enters at the charger."""

    password: (
        Annotated[
            str,
            msgspec.Meta(
                pattern=r"^([0-9A-Fa-f]{2}){16,20}$",
                description="16 to 20 bytes, hexadecimal; left out, one is made.",
            ),
        ]
        | None
    ) = None
    keep_old: Annotated[
        bool,
        msgspec.Meta(description="Whether the passwords so far open the door until the new one is used."),
    ] = True


class MadePassword(msgspec.Struct):
    """A new password, hexadecimal, as AuthorizationKey takes it. It is shown only now."""

    charger: str
    password: str


class ReadmitBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A readmission: the profile with which the charger comes back."""

    profile: ProfileNumber = 0


class Readmission(msgspec.Struct):
    """A readmission, for one handshake until this time."""

    charger: str
    profile: int
    until: str


async def get_security(asked: Asked) -> Any:
    charger = asked.path["id"]
    found = await asked.api.reader.run(partial(stored.security, charger=charger))
    if found is None:
        raise not_found(f"charger {charger}")
    return show(found)


async def set_profile(asked: Asked) -> Any:
    charger, profile = asked.path["id"], asked.body.profile
    try:
        await asked.api.writer.run(credentials.require, charger, profile, asked.api.stamp(), asked.caller.name)
    except UnknownCharger:
        raise not_found(f"charger {charger}") from None
    except NotProvable:
        need = "certificate" if profile > 2 else "password"
        detail = f"{charger} has no {need}, so that profile {profile} would lock it out"
        raise Problem(409, "conflict", detail) from None
    return await get_security(asked)


async def set_password(asked: Asked) -> MadePassword:
    charger, body = asked.path["id"], asked.body
    text = passwords.make() if body.password is None else body.password.lower()
    kind: Kind = GENERATED if body.password is None else GIVEN
    made = await stretch(passwords.store, passwords.of_key(text), kind)
    at, by = asked.api.stamp(), asked.caller.name

    def write(db: UnitOfWork) -> None:
        password = credentials.expect_password(db, charger, made, at, by)
        if not body.keep_old:
            credentials.drop_others(db, charger, password, at, by)

    try:
        await asked.api.writer.run(write)
    except UnknownCharger:
        raise not_found(f"charger {charger}") from None
    return MadePassword(charger, text)


async def readmit(asked: Asked) -> Readmission:
    charger, profile, now = asked.path["id"], asked.body.profile, asked.api.now()
    until = stamp(now + timedelta(minutes=READMITTED_MINUTES))
    try:
        await asked.api.writer.run(credentials.readmit, charger, profile, stamp(now), until, asked.caller.name)
    except UnknownCharger:
        raise not_found(f"charger {charger}") from None
    return Readmission(charger, profile, until)


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path=f"{CHARGER}/security",
        role=Role.OPERATOR,
        tag=TAG,
        summary="Show who may connect as a charger: required profile, last use, passwords, certificates.",
        handle=get_security,
        answer=shown_as(SecurityOfCharger),
        problems=("not_found",),
    ),
    Endpoint(
        method="PUT",
        path=f"{CHARGER}/security",
        role=Role.ADMIN,
        tag=TAG,
        summary="Set the security profile that is required of a charger. It rises by itself; only this lowers it.",
        handle=set_profile,
        body=StructBody(ProfileBody),
        answer=shown_as(SecurityOfCharger),
        problems=("not_found", "conflict"),
    ),
    Endpoint(
        method="POST",
        path=f"{CHARGER}/password",
        role=Role.ADMIN,
        tag=TAG,
        summary="Make a password, to be entered at the charger; it is shown only in this answer.",
        handle=set_password,
        body=StructBody(PasswordBody),
        answer=MadePassword,
        status=201,
        problems=("not_found",),
    ),
    Endpoint(
        method="POST",
        path=f"{CHARGER}/readmit",
        role=Role.ADMIN,
        tag=TAG,
        summary="Let a charger in once below its required profile, within 10 minutes, as after a factory reset.",
        handle=readmit,
        body=StructBody(ReadmitBody),
        answer=Readmission,
        problems=("not_found",),
    ),
)

"""What a handshake proves: a password, a client certificate, or nothing; and whether that is enough
for its charger."""

from __future__ import annotations

import math
from contextlib import suppress
from functools import partial
from typing import Final, NamedTuple

from levity_trio.access import passwords
from levity_trio.access.admission import Admission, Proof, admission, network_of
from levity_trio.access.passwords import Stored
from levity_trio.charger import doors
from levity_trio.charger.central import Central, Visitor
from levity_trio.charger.doors import RETRY_SECONDS, TooManyWait
from levity_trio.events import PasswordInDigits
from levity_trio.log.output import get_logger
from levity_trio.store.engine.faults import StoreUnavailable
from levity_trio.store.writes.chargers import security
from levity_trio.store.writes.chargers.security import Security
from levity_trio.wire.handshake import BadRequest, Head
from levity_trio.wire.times import stamp

UNAVAILABLE: Final = "unavailable"
"""The kind of a refusal that says nothing about the charger."""
UNWRITABLE: Final = "The database cannot be written; try again later."
BUSY: Final = "Too many passwords are being compared; try again later."
UNPROVEN: Final = "This charger must prove its identity."
CHALLENGE: Final = {"WWW-Authenticate": 'Basic realm="OCPP", charset="UTF-8"'}

log = get_logger("ws")


class Proven(NamedTuple):
    """What a handshake has proved, and by what it was judged."""

    admission: Admission
    security: Security


async def prove(central: Central, visitor: Visitor, head: Head, charger: str) -> Proven:
    """Return the best that a handshake proves. Nothing is touched.

    Raises:
        BadRequest: that is less than what is required of the charger.
    """
    security = await _security_of(central, charger)
    certificate = None
    if visitor.fingerprint is not None:
        certificate = security.certificates.get(visitor.fingerprint)
        if certificate is None and central.doors.is_anothers(visitor.fingerprint, charger):
            # It opens no door here, not even one that is open to all.
            reason = (
                "the client certificate was revoked, or is another charger's; its SHA-256 is "
                f"{visitor.fingerprint}"
            )
            raise BadRequest(403, UNPROVEN, {}, "certificate", reason)

    password = await _password(central, visitor, head, security)
    proven = admission(charger, is_tls=visitor.is_tls, credential=password, certificate=certificate)
    required = security.required(stamp(central.clock()))
    if proven.profile < required:
        raise _lacking(head, proven, required)
    if proven.proof == Proof.PASSWORD:
        central.failures.forget((visitor.address, charger))
    return Proven(proven, security)


async def prove_again(central: Central, visitor: Visitor, head: Head, before: Proven) -> Proven:
    """Judge a handshake that has waited, if the charger's door has changed meanwhile. Raises
    BadRequest."""
    charger = before.admission.charger
    is_same = await _security_of(central, charger) == before.security
    return before if is_same else await prove(central, visitor, head, charger)


async def use_readmission(central: Central, visitor: Visitor, handshake: Proven) -> None:
    """Use up the readmission of a charger that is let in below its profile. Raises BadRequest if
    another one did."""
    proven = handshake.admission
    if proven.profile >= handshake.security.profile:
        return
    at = stamp(central.clock())
    try:
        used = security.use_readmission
        if await central.writer.run(used, proven.charger, proven.profile, at, visitor.address):
            return
    except StoreUnavailable:
        raise BadRequest(503, UNWRITABLE, kind=UNAVAILABLE) from None
    raise BadRequest(
        401, UNPROVEN, CHALLENGE, "readmission", "its readmission was used by another handshake"
    )


async def _security_of(central: Central, charger: str) -> Security:
    try:
        return await central.doors.find(charger)
    except StoreUnavailable:
        raise BadRequest(503, UNWRITABLE, kind=UNAVAILABLE) from None


async def _password(
    central: Central, visitor: Visitor, head: Head, security: Security
) -> int | None:
    """Return which of the charger's passwords the request carries, None if it is none of them."""
    try:
        presented = passwords.presented(head.headers.get("authorization"), security.charger)
    except passwords.Unpresented:
        return None
    compare = partial(_compare, central, visitor, security.charger)
    number = await central.doors.password_of(security, presented, compare)
    if number is not None:
        return number

    # Some chargers send the hexadecimal digits by which the password was set, and not its bytes.
    digits = passwords.of_digits(presented)
    if digits is None:
        return None
    number = await central.doors.password_of(security, digits, compare)
    if number is not None:
        central.hooks.observe(PasswordInDigits(charger=security.charger))
    return number


async def _compare(
    central: Central, visitor: Visitor, charger: str, stored: Stored, password: bytes
) -> bool:
    """Compare a password that takes long to compare, in a turn, and not while the peer has to wait;
    return whether it is this one.

    Raises:
        BadRequest: too many wait for a turn.
    """
    who = visitor.address, charger
    if central.failures.wait_seconds(who) > 0:
        return False
    visitor.has_compared = True
    try:
        async with central.turns.stranger(network_of(visitor.address)):
            # Others may have failed meanwhile with this identity and from this address.
            is_waiting = central.failures.wait_seconds(who) > 0
            return not is_waiting and await doors.stretch(passwords.is_of, stored, password)
    except TooManyWait:
        raise BadRequest(503, BUSY, retry_after(RETRY_SECONDS)) from None


async def take_as_long(central: Central, visitor: Visitor, head: Head, charger: str) -> None:
    """Take as long as to compare a password that somebody gave, before one is refused with which
    that was not done.

    Otherwise the time would tell which identities are known, and have such a password. Raises
    BadRequest like `prove`.
    """
    if visitor.has_compared:
        return
    with suppress(passwords.Unpresented):
        presented = passwords.presented(head.headers.get("authorization"), charger)
        # Both are compared where somebody gave the password: the bytes, and those of their digits.
        for password in (presented, passwords.of_digits(presented)):
            if password is not None:
                await _compare(central, visitor, charger, passwords.NOBODYS, password)


def _lacking(head: Head, proven: Admission, required: int) -> BadRequest:
    """Return the refusal of a handshake: the same words, whatever is missing; the reason is for the
    owner."""
    lacks = f"security profile {required} is required, {proven.profile} was proven"
    authorization = head.headers.get("authorization")
    if authorization is None or proven.proof != Proof.NONE:
        return BadRequest(401, UNPROVEN, CHALLENGE, "profile", lacks)
    try:
        passwords.presented(authorization, proven.charger)
        reason = "its password is wrong"
    except passwords.Unpresented as problem:
        reason = str(problem)
    return BadRequest(401, UNPROVEN, CHALLENGE, "password", f"{reason}; {lacks}")


def retry_after(seconds: float) -> dict[str, str]:
    """Return the header that asks a client to wait."""
    return {"Retry-After": str(math.ceil(seconds))} if seconds > 0 else {}

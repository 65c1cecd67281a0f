"""Rules of certificates: which requests are signed, when one is renewed, and how long one lasts
(whitepaper A00, A02).

Pure: the time comes as an argument, and the authority has read what stands in a request.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from ipaddress import ip_address
from typing import Final

from levity_trio.records import record
from levity_trio.told import Told

CLIENT_LIFE: Final = timedelta(days=365)
SERVER_LIFE: Final = timedelta(days=5 * 365)
ROOT_LIFE: Final = timedelta(days=20 * 365)
PAGES_LIFE: Final = timedelta(days=820)
"""Of the certificate of the pages, all of it: phones of Apple accept no more than 825 days."""
BACKDATED: Final = timedelta(days=1)
"""A certificate is valid from this long before its issue, because the clocks of chargers are
wrong."""
RENEWAL_SHARE: Final = 3
"""A certificate is renewed when less than one part in so many of its life is left."""
LEAST_RSA_BITS: Final = 2048
MOST_RSA_BITS: Final = 8192
"""Verifying a larger key would cost the server more than it protects."""
CURVES: Final = frozenset({"secp256r1", "secp384r1", "secp521r1"})
LONGEST_CSR: Final = 8_192
"""Characters. OCPP allows 5,500, and some chargers send more. The certificate must fit the 10,000
of its message."""
LONGEST_NAME: Final = 64
"""Characters of a CN or O (RFC 5280, upper bounds)."""


@record
class Requested:
    """What stands in a certificate request (CSR).

    `key_type` is RSA, EC, or the name of another kind; `key_digest` identifies the public key.
    `is_signed` is whether the request is signed with that key, `is_servers` whether a common name
    is a name or an address of the server.
    """

    subject: str
    common_names: Sequence[str]
    organizations: Sequence[str]
    key_type: str
    key_bits: int
    curve: str | None
    key_digest: str
    is_signed: bool
    is_servers: bool = False


@record
class Described:
    """A certificate, for people and for the database. `names` are the names and addresses of a
    server."""

    subject: str
    serial: str
    fingerprint: str
    not_before: datetime
    not_after: datetime
    names: Sequence[str]
    pem: str


def refusal(
    requested: Requested, serials: Sequence[str], organization: str, names: Sequence[str] = ()
) -> str | None:
    """Return why a request is not signed; None if it is.

    `serials` are the serial numbers that are registered for the charger, or its identity where it
    has told none; `organization` is the name of the operator, which the charger knows as CpoName;
    `names` are those (CN) that an operator lets the charger have without its serial number.
    """
    weakness = _weakness(requested)
    if weakness is None and not requested.is_signed:
        return Told("its signature is wrong: the charger did not prove that it has the key")
    return weakness or _misnaming(requested, serials, organization, names)


def _weakness(requested: Requested) -> str | None:
    kind, bits = requested.key_type, requested.key_bits
    if kind == "RSA":
        if LEAST_RSA_BITS <= bits <= MOST_RSA_BITS:
            return None
        return Told(
            "its RSA key has {1} bits; {2} to {3} are accepted", bits, LEAST_RSA_BITS, MOST_RSA_BITS
        )
    if kind == "EC":
        if requested.curve in CURVES:
            return None
        return Told("its key is on the curve {1}; P-256 is the least", requested.curve or "")
    return Told("its key is of the kind {1}; only RSA and EC are accepted", kind)


def _misnaming(
    requested: Requested, serials: Sequence[str], organization: str, names: Sequence[str]
) -> str | None:
    if len(requested.common_names) != 1:
        return Told("it has {1} common names (CN) instead of one", len(requested.common_names))
    (name,) = requested.common_names
    if len(name) > LONGEST_NAME:
        return Told("its CN has {1} characters; {2} are allowed", len(name), LONGEST_NAME)
    if requested.is_servers:  # chargers would take whoever has the certificate for the server
        return Told("its CN {1} is a name or an address of this server", repr(name))
    if name not in names and not any(serial.casefold() in name.casefold() for serial in serials):
        wanted, *others = serials or ("",)
        for other in others:
            wanted = Told("{1} or {2}", wanted, other)
        missing = Told("its CN {1} does not contain the serial number {2}", repr(name), wanted)
        return Told(
            "{1}; if the name is right, let it through with `levity-trio certificate allow`",
            missing,
        )
    if list(requested.organizations) != [organization]:
        shown = ", ".join(map(repr, requested.organizations)) or Told("missing")
        return Told("its O is {1} instead of {2}; set CpoName first", shown, repr(organization))
    return None


def is_one_of(name: str, others: Iterable[str]) -> bool:
    """Whether a common name is one of these names and addresses, however it is written, or stands
    for one (`*.house`).

    Some programs read it up to a NUL only.
    """
    plain = _plain(name.partition("\0")[0])
    return any(
        fnmatchcase(other, plain) or fnmatchcase(plain, other)
        for other in map(_plain, others)
        if other
    )


def _plain(name: str) -> str:
    bare = name.strip().strip("[]").rstrip(".").casefold()
    try:
        address = ip_address(bare)
    except ValueError:
        return bare.replace("[", "[[]")
    return str(getattr(address, "ipv4_mapped", None) or address)


def is_named(name: str, serials: Sequence[str]) -> bool:
    """Whether a CN names a charger: it contains one of these serial numbers as a word of its own,
    as makers write it ("SN-7", "SN-7.chargers.example"); SN-70 is another one."""
    return any(
        re.search(rf"(?<![^\W_]){re.escape(serial)}(?![^\W_])", name, re.IGNORECASE)
        for serial in serials
    )


def is_due(not_before: datetime, not_after: datetime, now: datetime) -> bool:
    """Whether a certificate is to be renewed."""
    return not_after - now < (not_after - not_before) / RENEWAL_SHARE

"""One-time codes with which a user logs in first: a link, also printed in a letter, or a PIN that
somebody can dictate.

A link is random, so a salted SHA-256 is enough. A PIN has eight digits: it is stretched like a
password, may be tried a few times, and is short-lived. Both begin with a number, so that tries are
counted for the one that was meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import timedelta
from secrets import randbelow, token_urlsafe
from typing import Final, Literal, NamedTuple

from levity_trio.access import passwords
from levity_trio.access.passwords import GENERATED, Stored
from levity_trio.access.user_passwords import MOST_TRIES
from levity_trio.store.writes.people.users import StoredInvitation

Kind = Literal["link", "pin", "letter"]
LINK: Final = "link"
PIN: Final = "pin"
LETTER: Final = "letter"
LASTS: Final = {LINK: timedelta(hours=24), PIN: timedelta(minutes=15), LETTER: timedelta(days=14)}
LINK_BYTES: Final = 16
PIN_DIGITS: Final = 8
_CODE: Final = re.compile(
    r"invite_(?P<link>[0-9]{1,18})_(?P<secret>[A-Za-z0-9_-]{22})|(?P<pin>[0-9]{1,"
    r"18})-(?P<digits>[0-9]{8})"
)
_BLANKS: Final = re.compile(r"\s+")


class Presented(NamedTuple):
    """An open invitation that a code names, and the secret of the code. A link is right; whether a
    PIN is, remains to be seen."""

    invitation: StoredInvitation
    secret: str

    @property
    def is_pin(self) -> bool:
        return self.invitation.kind == PIN


def make_secret(kind: Kind) -> str:
    """Return the secret of a new invitation."""
    if kind == PIN:
        return f"{randbelow(10**PIN_DIGITS):0{PIN_DIGITS}}"
    return token_urlsafe(LINK_BYTES)


def stored_link(secret: str) -> Stored:
    """Return the secret of a link as it is stored."""
    return passwords.store(secret.encode(), GENERATED)


def written(kind: str, invitation: int, secret: str) -> str:
    """Return the code, which is shown once."""
    return f"{invitation}-{secret}" if kind == PIN else f"invite_{invitation}_{secret}"


class Invitations:
    """The codes that were not used yet, and how often PINs were tried."""

    def __init__(self) -> None:
        self._open: dict[int, StoredInvitation] = {}
        self._tries: dict[int, int] = {}

    def load(self, stored: Iterable[StoredInvitation]) -> None:
        """Replace what is known; tries that are not stored yet still count."""
        counted, self._tries = self._tries, {}
        self._open = {invitation.id: invitation for invitation in stored}
        for number, invitation in self._open.items():
            self._tries[number] = max(invitation.tries, counted.get(number, 0))

    def number_of(self, code: str) -> int | None:
        """Return the number with which a code begins, None for any other text."""
        match = _match(code)
        return None if match is None else int(match["link"] or match["pin"])

    def find(self, code: str, at: str) -> Presented | None:
        """Return the invitation that a code names, None if there is none that may still be
        tried."""
        match = _match(code)
        if match is None:
            return None
        invitation = self._open.get(int(match["link"] or match["pin"]))
        if invitation is None or invitation.expires_at <= at:
            return None
        is_pin = match["pin"] is not None
        if (invitation.kind == PIN) != is_pin or self._tries[invitation.id] >= MOST_TRIES:
            return None
        secret = match["digits"] if is_pin else match["secret"]
        # A link is checked at once. To check a PIN takes long, and waits for its turn.
        if not is_pin:
            stored = Stored(GENERATED, invitation.salt, invitation.digest)
            if not passwords.is_of(stored, secret.encode()):
                return None
        return Presented(invitation, secret)

    def count_try(self, invitation: int) -> int:
        """Count a try of a PIN, before it is known whether it is right; return the number of
        tries."""
        self._tries[invitation] += 1
        return self._tries[invitation]


def _match(code: str) -> re.Match[str] | None:
    return _CODE.fullmatch(_BLANKS.sub("", code)[:100])

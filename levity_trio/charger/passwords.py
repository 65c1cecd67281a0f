"""ChangeConfiguration of AuthorizationKey: what the charger is sent, its door must take.

The new password is stored before the CALL leaves, and opens the door beside the one before, until the charger's answer
or its next connection shows which of them it has (store/writes/credentials.py).
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from levity_trio.access import passwords
from levity_trio.access.passwords import AUTHORIZATION_KEY, GENERATED, GIVEN
from levity_trio.charger import turns
from levity_trio.charger.central import Central
from levity_trio.store.engine.retrying import persist
from levity_trio.store.writes import credentials
from levity_trio.store.writes.commands import Taken
from levity_trio.wire.secrets import MASK
from levity_trio.wire.times import stamp

ROTATE: Final = {"key": AUTHORIZATION_KEY, "value": MASK}
"""The payload that asks for a new password: it is made when its CALL is about to leave, and nobody else knows it. So
such a command may wait for a charger, and survives a restart."""


def brings_password(action: str, payload: Any) -> bool:
    """Whether a CALL changes the charger's password. A raw call may contain anything."""
    if action != "ChangeConfiguration" or not isinstance(payload, dict):
        return False
    key, value = payload.get("key"), payload.get("value")
    return isinstance(key, str) and key.casefold() == AUTHORIZATION_KEY.casefold() and isinstance(value, str)


async def expect_password(central: Central, charger: str, taken: Taken, payload: dict[str, Any]) -> dict[str, Any]:
    """Store the password in the payload of a command that is about to leave; return the payload to send."""
    is_made = payload["value"] == MASK
    value = passwords.make() if is_made else str(payload["value"])
    stored = await turns.stretch(passwords.store, passwords.of_key(value), GENERATED if is_made else GIVEN)
    at, by = stamp(central.clock()), f"command {taken.id}"
    await persist(partial(central.writer.run, credentials.expect_password, charger, stored, at, by, taken.id))
    return {**payload, "value": value}

"""Registration at the door, and before the first connection is served: nobody is locked out by a switch."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from levity_trio.access.registration import Mode
from levity_trio.charger.central import Central
from levity_trio.charger.proof import CHALLENGE, UNPROVEN
from levity_trio.config import ConfigError
from levity_trio.log.output import get_logger
from levity_trio.store.writes import registration
from levity_trio.store.writes.registration import Decided
from levity_trio.wire.handshake import BadRequest, Head
from levity_trio.wire.times import stamp

RECENT_DAYS: Final = 30
SHOWN: Final = 10
"""Chargers that a refused start names."""
UNKNOWN: Final = "This server serves no charger of this identity to you."
CLOSED: Final = "registration"
NOT_REGISTERED: Final = "registration is closed, and it is not registered"

log = get_logger("system")


def check_registration(central: Central, head: Head, charger: str, address: str) -> None:
    """Let in whom the mode of registration lets in.

    Raises:
        BadRequest: 404, or 401 where the request carries a password, as for one that is wrong.
    """
    registrations = central.registrations
    if registrations.is_registered(charger):
        return
    if registrations.mode is Mode.CLOSED:
        if "authorization" in head.headers:
            raise BadRequest(401, UNPROVEN, CHALLENGE, CLOSED, NOT_REGISTERED)
        raise BadRequest(404, UNKNOWN, kind=CLOSED, reason=NOT_REGISTERED)
    if charger in central.known:
        return
    if why := registrations.why_no_room(central.config.max_chargers, central.has_charged, address):
        raise BadRequest(404, f"There is no room for a new charger: {why}.", kind="room")


async def begin_registration(central: Central) -> None:
    """Prepare a run: with ask or closed, no charger that charged lately may be locked out.

    Raises:
        ConfigError: such chargers are not adopted, and --adopt-existing was not given.
    """
    now = central.clock()
    if central.registrations.mode is Mode.OPEN:
        await central.writer.run(registration.forget_waiting)
        return
    if central.config.adopt_existing:
        decided = Decided(stamp(now), "--adopt-existing", "it has a transaction")
        adopted = await central.writer.run(registration.adopt_existing, decided)
        log.info("existing chargers adopted", chargers=len(adopted))
    since = stamp(now - timedelta(days=RECENT_DAYS))
    if lost := await central.writer.run(registration.locked_out, since):
        raise ConfigError(_words(central.registrations.mode, lost))


def _words(mode: Mode, lost: list[str]) -> str:
    names = ", ".join(lost[:SHOWN]) + (f" and {len(lost) - SHOWN} more" if len(lost) > SHOWN else "")
    return (
        f"--registration {mode} would lock out chargers that charged in the last {RECENT_DAYS} days but are not"
        f" adopted: {names}. Start once with --adopt-existing, or start with --registration open and adopt them:"
        " levity-trio charger adopt --all"
    )

"""How a limit reaches a charger: five ways, and the OCPP messages of each (§3.13, §5.16, §7.8 to
§7.14).

1. A TxProfile over a TxDefaultProfile.
2. The TxDefaultProfile alone, replaced in place.
3. A ChargePointMaxProfile.
4. A configuration key of the vendor.
5. None: the charger cannot be told.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any

from levity_trio.load.lease import LEASE_SECONDS, Lease
from levity_trio.load.tree import LEAST_AMPERES, Socket
from levity_trio.records import record
from levity_trio.wire.charging_profiles import CHARGER, DEFAULT, TRANSACTION, VOLTS
from levity_trio.wire.configuration import number, words
from levity_trio.wire.times import from_seconds, wire_time

IDS = {DEFAULT: 9_900_000, TRANSACTION: 9_910_000, CHARGER: 9_920_000}
"""The ids of our profiles, plus the connector; people's begin at 1."""
BEFORE = timedelta(minutes=65)
"""An absolute schedule begins so long ago, so that it has begun by a clock that is set back by an
hour. A charger that counts from receipt keeps its lease so much longer, at what is booked for it;
one whose schedule has not begun has no limit at all."""
PAUSED_BEFORE = timedelta(days=1)
"""The same for a car at 0 A. It may wait longer than it must, but not less because its charger's
clock is set back."""
ALWAYS = "1970-01-01T00:00:00Z"
"""When an absolute default began, by any clock."""
SMART_CHARGING = "SmartCharging"
MOST_LEVEL = "ChargeProfileMaxStackLevel"
MOST_PERIODS = "ChargingScheduleMaxPeriods"
HIGHEST_LEVEL = 9
"""Above, MOST_LEVEL is not used."""

Call = tuple[str, dict[str, Any]]
"""An action and its payload."""


class LimitWay(IntEnum):
    """How a limit reaches a charger, in the order in which ways are tried."""

    TRANSACTION = 1
    DEFAULT = 2
    CHARGER = 3
    KEY = 4
    NONE = 5


PURPOSES = {
    LimitWay.TRANSACTION: TRANSACTION,
    LimitWay.DEFAULT: DEFAULT,
    LimitWay.CHARGER: CHARGER,
}
"""Those of the profiles in which leases are sent."""


@record
class LimitKey:
    """A configuration key that limits a charger: its unit in A, and the least that it takes."""

    name: str
    unit: float
    least: int


KEYS: Mapping[str, LimitKey] = {"SetCurrent": LimitKey(name="SetCurrent", unit=0.001, least=8)}
"""That of Grizzl-E is in mA."""


@record
class Ability:
    """What a charger can do, by its configuration and by what trials of its firmware have shown."""

    way: LimitWay = LimitWay.TRANSACTION
    takes_zero: bool = True
    """It pauses at 0 A."""
    waits: bool = True
    """Its default profile can begin with a pause: a car that starts without us waits at 0 A, then
    gets the safe limit."""
    level: int = 0
    """The stackLevel of our profiles."""
    is_in_watts: bool = False
    has_two_periods: bool = True
    by_valid_to: bool = False
    """One period ends by the validTo of its profile, not by a duration."""
    counts_from: str = ""
    """Absolute schedules are not taken, and Relative ones count from the `start` of the transaction
    or from `receipt`."""
    least: int | None = None
    """The least current at which a car was seen to charge."""
    key: LimitKey | None = None

    @property
    def floor(self) -> int:
        """The least that it can be told; 0 if it can be paused."""
        if self.way is LimitWay.KEY and self.key is not None:
            return self.key.least
        return 0 if self.takes_zero else self.least or LEAST_AMPERES

    def safe(self, socket: Socket) -> int:
        """Return the least that a connector has when nobody decides."""
        return max(socket.safe, self.floor)


def ability(
    facts: Mapping[str, Any], keys: Mapping[str, str | None], way: LimitWay = LimitWay.TRANSACTION
) -> Ability:
    """Return what a charger can do: `facts` are those of trials, `keys` its configuration, `way`
    the first that is tried."""
    key = next((KEYS[name] for name in keys if name in KEYS), None)
    features = words(keys, "SupportedFeatureProfiles")
    chosen = max(way, LimitWay(facts.get("way", 1)))
    if features and SMART_CHARGING not in features:
        chosen = max(chosen, LimitWay.KEY)
    if number(keys, "MaxChargingProfilesInstalled") == 1:
        # A profile of the transaction needs the default beside it.
        chosen = max(chosen, LimitWay.DEFAULT)
    if chosen is LimitWay.KEY and key is None:
        chosen = LimitWay.NONE
    # In the ways after that, a connector has no default profile of ours.
    has_default = chosen <= LimitWay.DEFAULT

    units = words(keys, "ChargingScheduleAllowedChargingRateUnit")
    is_in_watts = bool(units) and {"Current", "A"}.isdisjoint(units)
    has_two_periods = facts.get("periods") != 1 and number(keys, MOST_PERIODS) != 1
    takes_zero = facts.get("zero", True)
    can_wait = takes_zero and has_two_periods and has_default
    return Ability(
        way=chosen,
        takes_zero=takes_zero,
        waits=can_wait and facts.get("waits", True),
        level=facts.get("level", _level(keys, 1)),
        is_in_watts=facts.get("watts", is_in_watts),
        has_two_periods=has_two_periods,
        by_valid_to="valid_to" in facts,
        counts_from=facts.get("counts_from", "") if has_default else "",
        least=facts.get("least"),
        key=key,
    )


def _level(keys: Mapping[str, str | None], below: int) -> int:
    """Return the level that is so far below the highest. Some chargers refuse, or forget when their
    power is cut, what stands at that."""
    return min(max(0, (number(keys, MOST_LEVEL) or 0) - below), HIGHEST_LEVEL)


OPEN: tuple[Mapping[str, Any], ...] = (
    {"periods": 1},
    {"periods": 1, "valid_to": True},
    {"waits": False},
    {"waits": False, "counts_from": "start"},
    {"zero": False},
    {"zero": False, "counts_from": "start"},
)
"""What a charger may have shown if it refuses a profile, as `facts` of `ability`: it takes one
period, or `validTo` in place of a duration, or Relative schedules only, or no 0 A."""


def sentences(
    facts: Mapping[str, Any], keys: Mapping[str, str | None], way: LimitWay, *, is_first: bool
) -> Iterator[tuple[dict[str, Any], Ability]]:
    """Yield the abilities for which a profile is tried, until the charger accepts one: in one way
    what OCPP leaves open (§3.13, §7) is varied in its order, then in the next; in the last way
    nothing is sent. An accepted default, which `is_first`, has shown the level and the unit.

    Each comes with the facts that are shown if all before it were refused.
    """
    levels: tuple[Mapping[str, Any], ...] = ()
    if is_first:
        unit = {"watts": not ability(facts, keys).is_in_watts}
        levels = {"level": 0}, {"level": _level(keys, 0)}, unit
    # Who takes more than two periods takes two: the highest that a charger tells is in doubt.
    rows = OPEN if (number(keys, MOST_PERIODS) or 0) <= 2 else OPEN[2:]
    for later in LimitWay:
        if later >= way:
            moved = {} if is_first or later == way else {"way": int(later)}
            for shown in ({}, *levels, *rows):
                yield {**moved, **shown}, ability({**facts, **shown}, keys, later)


def after_refusal(
    tried: Iterable[tuple[dict[str, Any], Ability]],
    socket: Socket,
    lease: Lease,
    taught: Mapping[str, Any],
    can: Ability,
) -> dict[str, Any]:
    """Return what a charger has taught by refusing the lease of a transaction, as `facts` of
    `ability`. `tried` are the sentences of its leases, of which that with what it has `taught`
    before was refused: the next one that says something else follows."""

    def said(other: Ability) -> Call | None:
        # As for one that takes 0 A, unless it is one that does not.
        amperes = 0 if lease.amperes == can.floor else lease.amperes
        safe = 0 if lease.safe == can.floor else lease.safe
        amperes = max(amperes, other.floor)
        safe = max(safe, other.floor)
        told = replace(lease, amperes=amperes, safe=safe)
        when = ChargerTime(now=from_seconds(lease.sent))
        return limit(other, socket, told, when, None)

    was_found, calls = False, list[Call | None]()
    for shown, other in tried:
        call = said(other)
        if was_found and call not in calls:
            return shown
        calls.append(call)
        was_found = was_found or shown == taught
    return {"way": int(next_way(can))}


def next_way(can: Ability) -> LimitWay:
    """Return the way that is tried after the one in use did not work."""
    later = LimitWay(min(can.way + 1, LimitWay.NONE))
    if later is LimitWay.KEY and can.key is None:
        return LimitWay.NONE
    return later


@record
class ChargerTime:
    """When a limit is sent: now and the start of the transaction, by the charger's own clock."""

    now: datetime
    began: datetime | None = None


def idle(can: Ability, socket: Socket, pause_seconds: float = LEASE_SECONDS) -> Call | None:
    """Return the CALL that limits a connector where no lease holds, None where nothing can.

    It needs no clock: a car that starts without us waits at 0 A for `pause_seconds`, until all
    leases have ended, then gets the safe limit. Where the charger cannot wait, it gets that at
    once.
    """
    if can.way >= LimitWay.KEY:
        return _key(can, socket.safe)
    safe = can.safe(socket)
    periods = [(0, safe)]
    if can.waits and safe:
        periods = [(0, 0), (round(pause_seconds), safe)]
    schedule = _schedule(can, socket, periods, 1)
    # A pause must count from the start of each transaction, so its schedule is Relative. A limit
    # that always holds may be Absolute.
    if not can.waits and not can.counts_from:
        schedule["startSchedule"] = ALWAYS
    return _profile(can, socket, CHARGER if can.way is LimitWay.CHARGER else DEFAULT, schedule, {})


def limit(
    can: Ability, socket: Socket, lease: Lease, when: ChargerTime, lines: int | None
) -> Call | None:
    """Return what tells a charger the lease of a transaction; None where nothing can. `lines` are
    those of the car, if that is known."""
    if can.way >= LimitWay.KEY:
        return _key(can, lease.amperes)

    # An Absolute schedule begins a while ago, so that it has begun by a clock that is behind. A
    # Relative one counts from the start of the transaction, or from receipt.
    before = BEFORE if lease.amperes else PAUSED_BEFORE
    if can.counts_from == "start":
        before = when.now - (when.began or when.now)
    elif can.counts_from:
        before = timedelta()
    periods, of_schedule, of_profile = [(0, lease.amperes)], {}, dict[str, Any]()
    if lease.ends is not None:
        lasts = lease.ends - lease.sent
        ends = round(before.total_seconds()) + round(lasts)
        if can.has_two_periods:
            periods.append((ends, lease.safe))
        elif can.way is not LimitWay.TRANSACTION:
            # There is no default beneath it: after its end, nothing would limit the connector.
            periods = [(0, min(lease.amperes, lease.safe))]
        elif can.by_valid_to:
            of_profile["validTo"] = wire_time(when.now + timedelta(seconds=lasts))
        else:
            of_schedule["duration"] = ends
    schedule = _schedule(can, socket, periods, lines) | of_schedule
    if not can.counts_from:
        schedule["startSchedule"] = wire_time(when.now - before)

    if can.way is LimitWay.TRANSACTION:
        of_profile["transactionId"] = lease.transaction
    return _profile(can, socket, PURPOSES[can.way], schedule, of_profile)


def _profile(
    can: Ability,
    socket: Socket,
    purpose: str,
    schedule: dict[str, Any],
    more: Mapping[str, Any],
) -> Call:
    connector = 0 if purpose == CHARGER else socket.connector
    content = {
        "chargingProfileId": IDS[purpose] + connector,
        "stackLevel": can.level,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Absolute" if "startSchedule" in schedule else "Relative",
        "chargingSchedule": schedule,
    }
    payload = {"connectorId": connector, "csChargingProfiles": {**content, **more}}
    return "SetChargingProfile", payload


def _schedule(
    can: Ability, socket: Socket, periods: list[tuple[int, int]], lines: int | None
) -> dict[str, Any]:
    """Return the periods of a schedule. A limit in W and its numberPhases speak of the same lines:
    those of the car, or all that are wired. A safe limit may be that of a car whose lines nobody
    knows, which may draw all of it on one."""
    listed: list[dict[str, Any]] = []
    for index, (start, amperes) in enumerate(periods):
        phases = socket.phases
        if 0 < index == len(periods) - 1:
            # The last of several periods is the safe limit.
            phases = min(phases, socket.safe_lines)
            if lines is None or can.way is not LimitWay.TRANSACTION:
                lines = 1
        if can.is_in_watts and lines is not None:
            phases = min(phases, lines)
        limit = float(amperes)
        if can.is_in_watts:
            limit = float(amperes * VOLTS * phases)
        listed.append({"startPeriod": start, "limit": limit, "numberPhases": phases})
    unit = "W" if can.is_in_watts else "A"
    return {"chargingRateUnit": unit, "chargingSchedulePeriod": listed}


def _key(can: Ability, amperes: int) -> Call | None:
    if can.key is None or can.way is LimitWay.NONE:
        return None
    value = round(max(amperes, can.key.least) / can.key.unit)
    return "ChangeConfiguration", {"key": can.key.name, "value": str(value)}


def clearing(can: Ability) -> list[Call]:
    """Return what removes defaults that are not ours, and those of the whole charger; ours must
    have been accepted before."""
    purposes = [DEFAULT] if can.way is LimitWay.CHARGER else [DEFAULT, CHARGER]
    return [
        ("ClearChargingProfile", {"connectorId": 0, "chargingProfilePurpose": purpose})
        for purpose in purposes
    ]


def clearing_above(can: Ability, keys: Mapping[str, str | None], socket: Socket) -> list[Call]:
    """Return what removes the profiles at a connector that would hold in place of ours, before
    these are set."""
    most = number(keys, MOST_LEVEL) or 0
    return [
        ("ClearChargingProfile", {"connectorId": socket.connector, "stackLevel": level})
        for level in sorted({can.level + 1, most})
        if can.level < level <= most
    ]


def clearing_own(way: LimitWay, connector: int) -> Call:
    """Return what removes our profile at a connector, or that of the whole charger."""
    number = IDS[PURPOSES[way]] + (0 if way is LimitWay.CHARGER else connector)
    return "ClearChargingProfile", {"id": number}

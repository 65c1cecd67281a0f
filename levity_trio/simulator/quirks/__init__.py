"""The quirks by name: misbehaviour of real chargers, with references to reports.

Quirks act in the order of this table, in whatever order they are chosen: changes to registers come
before changes of units and counting, and those before changes of transaction ids and of names.
Which profiles a charger heeds comes before what it makes of their limit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from random import Random
from typing import Final

from levity_trio.simulator.charger.state import Quirk, Quirks
from levity_trio.simulator.quirks import connections, messages, profiles

_KINDS: Final[tuple[type[Quirk], ...]] = (
    connections.NoSubprotocol,
    connections.NoPings,
    messages.Clock1970,
    messages.ClockWrong,
    messages.ClockSetLate,
    messages.RegisterRunsBack,
    messages.RegisterJumps,
    messages.RegisterResets,
    messages.SharedMeter,
    messages.RegisterRollsOver,
    messages.RegisterStandsStill,
    messages.StartsOverlap,
    connections.GrizzlE,
    messages.SessionReadings,
    messages.KwhAsWh,
    messages.OfflineId,
    messages.NoIds,
    messages.StartLost,
    messages.RepeatsStart,
    messages.RepeatsStop,
    messages.StopsTwice,
    connections.TwoCalls,
    connections.StatusFlood,
    connections.BootsAgain,
    connections.NoOfflineStart,
    connections.AvailableAfterBoot,
    messages.SparseReadings,
    connections.NeverAnswers,
    connections.AnswersLate,
    connections.AnswersGarbage,
    messages.LongStrings,
    messages.UnknownValues,
    connections.SilentDeath,
    connections.HalfClosed,
    connections.ReconnectStorm,
    messages.StopUnreadable,
    messages.StopIdLate,
    messages.StopEarly,
    messages.StopLost,
    profiles.OneProfileOnly,
    profiles.OnePeriodOnly,
    profiles.NoZeroLimit,
    profiles.NoRelativeDefault,
    profiles.NoAbsolute,
    profiles.WattsOnly,
    profiles.NoSmartCharging,
    profiles.RelativeFromReceipt,
    profiles.ProfilesLate,
    profiles.ProfilesIgnored,
    profiles.StackLevel0,
    profiles.DefaultNextTime,
    profiles.ChargerLimitIgnored,
    profiles.ChargerLimitOnly,
    profiles.LimitsRounded,
    profiles.ZeroIsLeast,
    profiles.ProfilesForgotten,
    profiles.HighestLevelForgotten,
    profiles.OneProfileKept,
    profiles.ProfilesLostOffline,
)

QUIRKS: Final[Mapping[str, type[Quirk]]] = {kind.name: kind for kind in _KINDS}


def made(names: Iterable[str], seed: str) -> Quirks:
    """Return the quirks of these names, seeded so that a run is repeatable. Raises ValueError for
    an unknown name.

    They act in the order of QUIRKS, each once. A quirk that another chosen quirk includes is
    dropped.
    """
    chosen = list(names)
    for name in chosen:
        if name not in QUIRKS:
            raise ValueError(f"quirks: {name} is not known; give some of {', '.join(QUIRKS)}")
    kinds = [kind for name, kind in QUIRKS.items() if name in chosen]
    included = {base for kind in kinds for base in kind.__mro__[1:]}
    return Quirks(
        kind(Random(f"{seed}:{kind.name}"))  # noqa: S311 - misbehaviour is no secret
        for kind in kinds
        if kind not in included
    )

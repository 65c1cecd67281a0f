"""The quirks by name: misbehaviour of real chargers, with references to reports.

Quirks act in the order of this table, in whatever order they are chosen: changes to registers come before changes of
units and counting, and those before changes of transaction ids and of names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from levity_trio.simulator.quirks.answers import AnswersGarbage, AnswersLate, NeverAnswers
from levity_trio.simulator.quirks.base import Quirk
from levity_trio.simulator.quirks.clocks import Clock1970, ClockSetLate, ClockWrong
from levity_trio.simulator.quirks.counting import GrizzlE, KwhAsWh, SessionReadings
from levity_trio.simulator.quirks.floods import StatusFlood, TwoCalls
from levity_trio.simulator.quirks.handshake import NoPings, NoSubprotocol
from levity_trio.simulator.quirks.lines import HalfClosed, ReconnectStorm, SilentDeath
from levity_trio.simulator.quirks.meters import RegisterRollsOver, RegisterStandsStill, SharedMeter, StartsOverlap
from levity_trio.simulator.quirks.presence import AvailableAfterBoot, BootsAgain, SparseReadings
from levity_trio.simulator.quirks.registers import RegisterJumps, RegisterResets, RegisterRunsBack
from levity_trio.simulator.quirks.transactions import (
    NoIds,
    OfflineId,
    RepeatsStart,
    RepeatsStop,
    StartLost,
    StopEarly,
    StopIdLate,
    StopLost,
    StopsTwice,
    StopUnreadable,
)
from levity_trio.simulator.quirks.words import LongStrings, UnknownValues

_KINDS: Final[tuple[type[Quirk], ...]] = (
    *(NoSubprotocol, NoPings),
    *(Clock1970, ClockWrong, ClockSetLate),
    *(RegisterRunsBack, RegisterJumps, RegisterResets),
    *(SharedMeter, RegisterRollsOver, RegisterStandsStill, StartsOverlap),
    *(GrizzlE, SessionReadings, KwhAsWh),
    *(OfflineId, NoIds, StartLost, RepeatsStart, RepeatsStop, StopsTwice),
    *(TwoCalls, StatusFlood, BootsAgain, AvailableAfterBoot, SparseReadings),
    *(NeverAnswers, AnswersLate, AnswersGarbage),
    *(LongStrings, UnknownValues),
    *(SilentDeath, HalfClosed, ReconnectStorm),
    *(StopUnreadable, StopIdLate, StopEarly, StopLost),
)

QUIRKS: Final[Mapping[str, type[Quirk]]] = {kind.name: kind for kind in _KINDS}

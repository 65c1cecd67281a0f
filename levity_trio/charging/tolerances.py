"""How far two pieces of evidence may differ and still agree. README prints this table.

Energy in Wh, power in W, time in seconds.
"""

from __future__ import annotations

import math
from typing import Final

POWER_SHARE: Final = 0.10
"""Maximum error of power, and of current × voltage, beside their last digit."""
REGULAR_GAPS: Final = 3
MOST_GAPS: Final = 0.75
"""Power tracks a register if the two agree in at least REGULAR_GAPS gaps, and in this share of all gaps."""
STEADY_SHARE: Final = 0.20
"""Power or a pace that varies by no more is one; power × time within this share of a figure confirms it."""
USUAL_GAPS: Final = 2.0
"""A gap longer than this multiple of the usual one gives no lower bound: the car may have paused."""
SHORT_GAP: Final = 120.0
"""Over a gap up to this long, power accounts for nearly all energy. Over a longer one, a car may have paused."""
LONG_GAP_SHARE: Final = 0.5
"""Over a longer gap, power may have been higher by this share than at the ends of the gap and next to them."""
VARYING_SHARE: Final = 1.0
"""The same share if the reported powers are not steady: the car may have been given more, or less, in between."""
LEAST_SHARES: Final = ((SHORT_GAP, 0.9), (1000.0, 0.8), (math.inf, 0.5))
"""(usual gap between powers, share): a register must have risen by this share of the minimum that power implies."""
SHOWN_TRANSACTION: Final = 600.0
"""In a transaction of this duration or more, a reported power was drawn for METER_AGE."""
LEAST_OF_STILL: Final = 0.5
"""The share of LEAST_SHARES for a register that stands still at the end."""
FAR_MORE: Final = 4.0
"""Sparse power shows little: only a register that rises faster than this multiple of it is in doubt."""
MANY_POWERS: Final = 10
"""So many gaps with sparse power show together about how much flowed."""
COARSE_VALUES: Final = 5
"""At least this many different values, all multiples of 10, 100 or 1,000 of the last digit, show a coarser register."""
INTERVAL: Final = 60.0
"""The sampling interval if the readings show none. The times of start and stop are exact to one interval."""
CLOCK: Final = 2.0
"""Times are sent in whole seconds."""
METER_AGE: Final = 15.0
"""A charger reads its meter every few seconds, so a register or a power may be so old when it is sent."""

AC_W: Final = 43_000.0
"""No AC charger delivers more (63 A, three phases). A default, not evidence: a figure above it is in doubt."""
FASTEST_W: Final = 400_000.0
"""No charger delivers more."""
PHASES: Final = 3
"""A charger known only with cars on one phase may have cars on three."""
CONTRAST_W: Final = 22_000.0
"""If only the register is known, slower steps are not compared with each other."""
FEW_STEPS: Final = 2
MANY_STEPS: Final = 5
"""A step is implausible if it is faster than the median of the others by FAR_MORE: with at least FEW_STEPS others if it
is above AC_W, or with at least MANY_STEPS others at one pace."""

HIGHEST_AC_V: Final = 300.0
HIGHEST_AC_OFFER_W: Final = 22_000.0
"""A higher voltage or offered power shows a DC charger."""
HIGHEST_BETWEEN_PHASES_V: Final = 440.0
"""No voltage between two phases is higher: 400 V with its tolerance (EN 50160)."""
AC_V: Final = (207.0, 253.0)
"""The voltage assumed if none was sent: 230 V with its tolerance (EN 50160)."""
LEAST_CHARGING_W: Final = 100.0
"""No car charges with less. Power that never reaches it was in kW but sent as W."""
LEAST_AC_W: Final = 1_200.0
"""A car draws at least 6 A at AC (IEC 61851-1). Only at the end of charging it takes less. A slower step is a car that
waits: it does not show how fast other steps can be."""
REACTIVE_A: Final = 1.0
"""The filters of a car at rest draw up to this current on each phase, but no energy."""
BATTERY_WH: Final = (8_000.0, 250_000.0)
"""The smallest and the largest battery. A rise of the state of charge takes its share of this energy."""
MOST_WH: Final = 1_000_000.0
"""No vehicle takes more in one transaction. A register with a fraction is in Wh if it would give more in kWh."""
BATTERY_SPREAD: Final = 2.0
"""One per cent of a battery takes at most this multiple of what it usually takes in the transaction, unless the power
was as high."""
USUAL_BATTERY_WH: Final = (20_000.0, 130_000.0)
CHARGE_STEP: Final = 2.0
"""In per cent: the error of a rise of the state of charge, which is sent in whole per cent."""
LEAST_CHARGE_RISE: Final = 10.0
"""In per cent: a smaller rise confirms nothing."""

FIRST_STEP: Final = 1.5
"""If readings begin not far below the start, they count from 0 only if the first one is within their fastest pace since
the start, times this margin."""
FASTER_STOP: Final = 2.0
"""A last step faster than power that never changed by more than this factor is doubtful."""
ROLLOVERS: Final = (2**16, 10**6, 10**7, 10**8, 2**31, 2**32, 10**9)
"""The values in Wh at which registers continue at 0."""
NEAR_ROLLOVER: Final = 0.9
"""A register below this share of such a value did not roll over."""
SIGNIFICANT_START_WH: Final = 10_000
"""A lower start is close to any reading, so it shows no unit."""
FACTORS: Final = (0.1, 10.0, 0.001, 1000.0, 0.01, 100.0)
"""The factors by which all registers of a transaction may be wrong alike."""

MOST_STRAYS: Final = 50
"""The maximum number of consecutive outliers. Of more, it is unknown which readings are right."""
REACH_WH: Final = 100
"""The energy that may flow between a reported power and a stop while a car starts or ends."""
ROUNDED_WH: Final = 2
"""Registers that differ by less may be one, rounded in two ways."""
SHARED_WH: Final = 1_000
"""The energy that a car may have drawn between two reports of power without a doubt: another one from the same
register, or one at a DC charger between two reports of 0 W."""
MEETING_BY_CHANCE: Final = 0.05
"""Two registers are one if what one shows lies between two readings of the other, where that is less likely by chance:
the distance of these two as a share of the register, multiplied for all that lie so; and the step of the register as a
share of its rise, for each start or stop that is just where the other one was."""
ELSEWHERE_BY_CHANCE: Final = 0.0025
"""The same for two chargers: a site has about 20."""
HABIT_TRANSACTIONS: Final = 5
"""The number of transactions that show a habit of a charger, or the power that it delivers."""
RESETS: Final = 2
"""If the register fell to 0 at so many of the starts next to a transaction, it counts each transaction from 0."""
COMPARED_STARTS: Final = 20
OVERLAPPING_STARTS: Final = 2
"""If so many of the last COMPARED_STARTS starts on a connector lay within the previous transaction, others may, too."""
REJUDGE_SECONDS: Final = 60.0
"""The minimum time between two judgements of a transaction because of later facts."""
MOST_STEPS: Final = 20
"""After so many judgements, each of a neighbour of the one before, none is caused any more."""
LAGGING_READINGS: Final = 2
LEAST_LAG: Final = 120
MOST_LAG: Final = 1500
"""So many readings or more show registers that are always old, if each was older than the first, in seconds, and not
older than the second: readings in local time differ by half an hour or more."""
AHEAD_SECONDS: Final = 60
"""A clock that is further ahead is wrong; up to this is jitter."""

BEHIND_SECONDS: Final = 120
"""A clock that is further behind is wrong; up to this a message may be on its way."""
SAME_BEHIND_SECONDS: Final = 10
"""Messages that a clock sent are late by the same, if they did not wait: these times differ by no more."""
LIVE_SECONDS: Final = 60
"""A message that is later than its clock is behind by no more did not wait in its charger."""
BEHIND_MESSAGES: Final = (3, 2)
"""So many messages of one connection show that a clock is behind; so many of them are no readings…"""
BEHIND_SPAN_SECONDS: Final = 600
"""…if they span this time by that clock. A queue empties faster than it was filled, so it becomes less late."""

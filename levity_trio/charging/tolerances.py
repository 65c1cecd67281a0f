"""How far two pieces of evidence may differ and still agree: each number once, printed in the README.

Energy in Wh, power in W, time in seconds.
"""

from __future__ import annotations

import math
from typing import Final

POWER_SHARE: Final = 0.10
"""Power, and current × voltage, are told with such an error at most."""
REGULAR_GAPS: Final = 3
MOST_GAPS: Final = 0.75
"""Power tells the pace of a register where it holds in so many gaps at least, and in this share of them."""
STEADY_SHARE: Final = 0.20
"""Power that varies by less is steady."""
USUAL_GAPS: Final = 2.0
"""Of a gap that is longer than the usual one by more, power tells no least."""
SHORT_GAP: Final = 120.0
"""Readings this close tell nearly all that flowed between them; over longer gaps a car may have paused."""
LONG_GAP_SHARE: Final = 0.5
"""Over a longer gap power may have been higher by so much than at its ends and next to them."""
LEAST_SHARES: Final = ((SHORT_GAP, 0.9), (1000.0, 0.8), (math.inf, 0.5))
"""Of what power comes to at least, a register must have risen by so much, by the usual gap between readings."""
SHOWN_SECONDS: Final = 30.0
"""A power that was told was drawn for so long at least, in a transaction of SHOWN_TRANSACTION seconds or more."""
SHOWN_TRANSACTION: Final = 600.0
LEAST_OF_STILL: Final = 0.5
"""The same at the end, of a register that rises no more."""
FAR_MORE: Final = 4.0
"""Power of moments says little: a register that rises faster than the highest of them by more is a doubt."""
AGREEMENT_SHARE: Final = 0.15
"""A figure is confirmed by what power × time comes to, where they differ by less."""
COARSE_VALUES: Final = 5
"""So many different values that are multiples of 10, 100 or 1,000 of their last digit show a coarser register."""
INTERVAL: Final = 60.0
"""The sampling interval where the readings show none. At both ends of a transaction times are exact to one interval."""
CLOCK: Final = 2.0
"""Times are told in whole seconds."""

AC_W: Final = 43_000.0
"""No AC charger delivers more (63 A on three phases). It is a default and no evidence: above it there is a doubt."""
FASTEST_W: Final = 400_000.0
"""No charger delivers more."""
PHASES: Final = 3
"""A charger that was seen with cars on one phase may have one on three."""
CONTRAST_W: Final = 22_000.0
"""Where nothing but the register is told, steps below are not compared with each other."""
SIGNIFICANT_W: Final = 1_000.0
"""A slower step is a car that waits; it says nothing of how fast the others can be."""
FEW_STEPS: Final = 2
CONTRAST_OF_FEW: Final = 5.0
MANY_STEPS: Final = 5
ONE_PACE_SHARE: Final = 0.25
CONTRAST_OF_MANY: Final = 3.5
"""A step is no part of the others where it is faster than their usual one by more: with a few others and above what
AC can deliver, or with many that rise at one pace."""

HIGHEST_AC_V: Final = 300.0
HIGHEST_AC_OFFER_W: Final = 22_000.0
"""Above, it is a DC charger."""
AC_V: Final = (207.0, 253.0)
"""Where no voltage was told: 230 V with its tolerance (EN 50160)."""
LEAST_CHARGING_W: Final = 100.0
"""No car charges with less: a power that never reaches it was told in kW and called W."""
BATTERY_WH: Final = (8_000.0, 250_000.0)
"""Of any car. What its state of charge rose by needs so much energy, for 100 %."""
USUAL_BATTERY_WH: Final = (20_000.0, 130_000.0)
CHARGE_STEP: Final = 2.0
"""In per cent: the state of charge is told in whole ones, at its first and at its last."""
LEAST_CHARGE_RISE: Final = 10.0
"""In per cent; a smaller rise says too little."""

FIRST_STEP: Final = 1.5
"""Readings that begin not far below the start count from 0 only where the first is no more than their fastest pace
since the start, with this margin."""
ROLLOVERS: Final = (2**16, 10**6, 2**31, 2**32, 10**9)
"""Where registers begin again at 0, in Wh."""
NEAR_ROLLOVER: Final = 0.9
"""A register that stood at less of that number did not roll over."""
MUCH_OF_ROLLOVER: Final = 0.2
"""A transaction that rises by more than this share of that number may come near it by chance, and be reset there."""
SIGNIFICANT_START_WH: Final = 10_000
"""A start below this is near any reading."""
FACTORS: Final = (0.1, 10.0, 0.001, 1000.0, 0.01, 100.0)
"""Of a register whose every value is wrong alike."""

MOST_STRAYS: Final = 50
"""Readings outside all others; of more in a row nobody knows which are right."""
REACH_WH: Final = 100
"""What flows while a car begins or ends, between a power that was told and a stop."""
HABIT_TRANSACTIONS: Final = 5
"""So many transactions show a habit of a charger, or how fast it is."""
REJUDGE_SECONDS: Final = 60.0
"""Later facts judge a transaction again at most this often; what comes meanwhile waits for the end of it."""
AHEAD_SECONDS: Final = 60
"""A clock that is ahead by more is wrong; less is jitter."""

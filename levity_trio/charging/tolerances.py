"""How far two pieces of evidence may differ and still agree. `just manual` prints this table.

Energy in Wh, power in W, time in seconds.
"""

from __future__ import annotations

from math import sqrt
from statistics import fmean
from typing import Final

FEW: Final = 2
"""What comes alone may be an accident; what comes so often is none."""
SEVERAL: Final = 3
"""So many gaps, powers or messages that agree show a rule."""
MANY: Final = 5
"""So many values, steps or transactions show what a charger always does."""
HALF: Final = 0.5
"""Less than this share is far too little. Over a long gap, power may have been higher by it than at
both ends."""
TWICE: Final = 2.0
"""Up to this multiple of what is usual, nothing is unusual."""
POWER_SHARE: Final = 0.10
"""Maximum error of power, and of current × voltage, beside their last digit."""
MOST_GAPS: Final = 0.75
"""Power tracks a register if the two agree in SEVERAL gaps, and in this share of all gaps."""
STEADY_SHARE: Final = 0.20
"""Power or a pace that varies by no more is one; power × time within this share of a figure
confirms it."""
RARE_SECONDS: Final = 1_000.0
"""Power that is sent more rarely shows no more than HALF of what flowed at least."""
VARYING_SHARE: Final = 1.0
"""Over a long gap, power may have been higher by this share if the reported powers are not steady:
the car may have been given more, or less, in between."""
FAR_MORE: Final = 4.0
"""Sparse power shows little: only a register that rises faster than this multiple of it is in
doubt."""
MANY_POWERS: Final = 10
"""So many gaps with sparse power show together about how much flowed."""
INTERVAL: Final = 60.0
"""The sampling interval if the readings show none. The times of start and stop are exact to one
interval."""
SHORT_GAP: Final = TWICE * INTERVAL
"""Over a gap up to this long, power accounts for nearly all energy. Over a longer one, a car may
have paused."""
LAST_DIGITS: Final = 2
"""Two values in whole units that differ by no more may be the same: each is wrong by up to one."""
CLOCK: Final = LAST_DIGITS
"""Times are sent in whole seconds."""
SPAN_SECONDS: Final = MANY_POWERS * INTERVAL
"""What lasts so long is shown: that a reported power was drawn for METER_AGE, or that a clock is
behind."""
METER_AGE: Final = 15.0
"""A charger reads its meter every few seconds, so a register or a power may be so old when it is
sent."""

AC_W: Final = 43_000.0
"""No AC charger delivers more (63 A, three phases). A default, not evidence: a figure above it is
in doubt. A higher offered power shows a DC charger. If only the register is known, slower steps are
not compared with each other."""
FASTEST_W: Final = 400_000.0
"""No charger delivers more."""
PHASES: Final = 3
"""A charger known only with cars on one phase may have cars on three."""

AC_V: Final = 230.0
"""The voltage of a phase; its tolerance is POWER_SHARE (EN 50160). It is assumed if none was
sent."""
HIGHEST_AC_V: Final = fmean((AC_V, AC_V * sqrt(PHASES)))
"""A higher voltage is nearer to that between two phases than to that of one. If it is not named as
one between phases, it shows a DC charger."""
LEAST_CHARGING_W: Final = 100.0
"""No car charges with less. Power that never reaches it was in kW but sent as W."""
IDLE_W: Final = POWER_SHARE * LEAST_CHARGING_W
"""A charger takes up to so much for itself, and its own meter may count it between two sessions."""
LEAST_AC_W: Final = 1_200.0
"""A car draws at least 6 A at AC (IEC 61851-1). Only at the end of charging it takes less. A slower
step is a car that waits: it does not show how fast other steps can be."""
REACTIVE_A: Final = 1.0
"""The filters of a car at rest draw up to this current on each phase, but no energy."""
BATTERY_WH: Final = (8_000.0, 250_000.0)
"""The smallest and the largest battery. A rise of the state of charge takes its share of this
energy."""
MOST_WH: Final = FAR_MORE * BATTERY_WH[1]
"""No vehicle takes more in one transaction. A register with a fraction is in Wh if it would give
more in kWh."""
USUAL_BATTERY_WH: Final = (TWICE * BATTERY_WH[0], HALF * BATTERY_WH[1])
"""A rise of the state of charge confirms a figure that fits such a battery."""
CHARGE_STEP: Final = LAST_DIGITS
"""In per cent: the error of a rise of the state of charge, which is sent in whole per cent."""
LEAST_CHARGE_RISE: Final = MANY * CHARGE_STEP
"""In per cent: a smaller rise confirms nothing."""

SIGNIFICANT_START_WH: Final = 10_000
"""A lower start is close to any reading, so it shows no unit."""
FACTORS: Final = (0.1, 10.0, 0.001, 1000.0, 0.01, 100.0)
"""The factors by which all registers of a transaction may be wrong alike."""

REACH_WH: Final = 100
"""The energy that may flow between a reported power and a stop while a car starts or ends."""
ROUNDED_WH: Final = LAST_DIGITS
"""Registers that differ by no more may be one, rounded in two ways."""
SHARED_WH: Final = 1_000
"""The energy that a car may have drawn between two reports of power without a doubt: another one
from the same register, or one at a DC charger between two reports of 0 W."""
MEETING_BY_CHANCE: Final = 0.05
"""Two registers are one if what one shows lies between two readings of the other, where that is
less likely by chance: the distance of these two as a share of the register, multiplied for all that
lie so; and the step of the register as a share of its rise, for each start or stop that is just
where the other one was."""
SEAMS: Final = 4
"""Two chargers have one meter if so many starts and stops of one within a session of the other show
it."""
COMPARED_STARTS: Final = round(1 / MEETING_BY_CHANCE)
"""If FEW of the last so many starts on a connector lay within the previous transaction, others may,
too: by chance, one does."""
REJUDGE_SECONDS: Final = 60.0
"""The minimum time between two judgements of a transaction because of later facts."""
MOST_CHANGES: Final = 3
"""So often within an hour the judgements of its neighbours may change a transaction."""

CLOCK_SECONDS: Final = round(INTERVAL)
"""Times are exact to one interval: a clock that is further ahead is wrong, up to this is jitter.
One with equal times in messages received further apart does not run. A message that is later than
its clock is behind by no more did not wait."""
LATE_SECONDS: Final = CLOCK_SECONDS + CLOCK_SECONDS
"""A clock that is further behind is wrong, up to this a message may be on its way. FEW readings
that are all older, and equally old, show registers that are always old…"""
MOST_LAG: Final = 1500
"""…if none is older than this: readings in local time differ by half an hour or more."""
SAME_BEHIND_SECONDS: Final = 10
"""Messages that a clock sent are late by the same, if they did not wait: these times differ by no
more."""

WORD_BITS: Final = 16
"""A register has one or two words of so many bits (Modbus), perhaps with a sign, or shows decimal
digits. When it is full, it goes on at 0."""
LEAST_DISPLAY_WH: Final = 1_000_000
"""A display of digits has room for so much at least."""

SIGNED_WH: Final = 100
"""What flows between a signature and the message with the register, which many chargers read some
seconds apart. Less than that contradicts no figure, and does not prove it."""
SIGNED_DIGIT_WH: Final = 1_000
"""A signed register whose last digit is coarser proves nothing about a session."""
SIGNED_SECONDS: Final = 120
"""Signed times and those of a session are apart by no more, where both are right."""
OTHER_SIGNED_SECONDS: Final = 600
"""What was signed further from a session is of another one."""

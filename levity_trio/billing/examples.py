"""An example of each kind of tariff, with comments, to be copied and changed."""

from __future__ import annotations

from typing import Final

_HEAD: Final = """\
name = "{name}"
valid_from = 2026-10-01    # from this day's local midnight
currency = "EUR"           # ISO 4217
prices = "{prices}"           # "gross": tax is in the prices; "net": tax is added
tax = 19                   # in percent
"""

FLAT: Final = f"""\
# One price at all times.
{_HEAD.format(name="Flat", prices="gross")}
[energy]
price = 0.32               # a kWh, up to six decimals
"""

DAY_AND_NIGHT: Final = f"""\
# A cheaper night. Times are those of the clock on the wall, in summer and winter.
{_HEAD.format(name="Day and night", prices="gross")}
[[window]]
name = "night"
price = 0.22
times = "22:00-06:00"      # over midnight; several: ["22:00-06:00", "12:00-14:00"]

[energy]                   # all times that no window covers
name = "day"
price = 0.34
"""

SEASON_AND_WEEKEND: Final = f"""\
# Solar summer, weekends, and the rest. No two windows may overlap.
{_HEAD.format(name="Season and weekend", prices="gross")}
[[window]]
name = "summer noon"
price = -0.01              # a price of energy may be negative
times = "11:00-15:00"
season = "04-01 to 09-30"  # month-day, both included; over new year: "10-01 to 03-31"
weekdays = "Mon-Fri"

[[window]]
name = "weekend"
price = 0.25
weekdays = ["Sat", "Sun"]  # by the local date of each moment

[energy]
name = "other times"
price = 0.33
"""

BLOCKING: Final = f"""\
# A fee for a car that stays after charging, and a fee for each session.
{_HEAD.format(name="With blocking fee", prices="gross")}
session_fee = 0.50

[energy]
price = 0.32

[blocking]
price = 0.05               # a begun minute
grace_minutes = 30         # after the last energy
maximum = 6.00             # a session
free = "22:00-07:00"       # these minutes do not count
until_available = false    # true: until the cable is out, not only until the stop
"""

_ONE_RATE: Final = "\ntax = 19                   # in percent"
NET: Final = f"""\
# Net prices: tax is added at the foot of the statement, once for each rate.
{_HEAD.format(name="Net prices", prices="net").replace(_ONE_RATE, "")}
session_fee = 0.42

[tax]                      # in percent; what is not named is taxed as energy
energy = 19
session_fee = 7

[energy]
price = 0.268908
"""

BASE_FEE: Final = f"""\
# A fee for each month beside the price of energy. Part of a month costs its share by days.
{_HEAD.format(name="With base fee", prices="gross")}
base_fee = 4.90

[energy]
price = 0.29
"""

MINIMUM: Final = f"""\
# Limits for the price of a session: with its fees, in the kind of the prices.
{_HEAD.format(name="With minimum", prices="gross")}
minimum = 1.00
maximum = 25.00
free_below_wh = 200        # a session with less is free; 100 if this line is left out

[energy]
price = 0.32
"""

MOVING: Final = f"""\
# A price that moves with a price series, by the quarter-hour; and one for the house's own sun.
{_HEAD.format(name="Moving", prices="gross")}
[energy]
series = "Day-ahead"       # as the price series is called, which must be there
factor = 1.05              # a kWh costs series × factor + markup,
markup = 0.12
floor = 0.05               # but never less than this,
cap = 0.60                 # and never more than this
fallback = 0.35            # where the series has no price; without it, such sessions wait
average = false            # true: the month's mean of the series counts, not the quarter-hour

[sun]                      # the part that the panels of the house gave
price = 0.18
"""

EXAMPLES: Final = {
    "flat": FLAT,
    "day-night": DAY_AND_NIGHT,
    "season": SEASON_AND_WEEKEND,
    "blocking": BLOCKING,
    "net": NET,
    "base-fee": BASE_FEE,
    "minimum": MINIMUM,
    "moving": MOVING,
}

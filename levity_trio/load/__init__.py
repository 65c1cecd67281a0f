"""Load: what every car may draw under a feeder that is too small for all.

`tree`, `rule`, `other_load` and `replay` are pure: numbers in, numbers out, no clock, no database,
nothing of ours. The rest measures, asks the rule, and keeps and shows what it said. In shadow
nothing is sent to a charger.

This is not a protective device. Breakers and the chargers' own limits stay as the installer set
them.
"""

"""Refuting: whether the reported figure is certain. A transaction waits for a person if one of
these is true:

1. The register is impossible. It fell, or it rose faster than the charger, its reported power, the
   time or the rest of the session allows.
2. It does not fit the sessions before and after. It lies below or above them though the meter was
   not reset, overlaps one of them, uses another scale (kWh sent as Wh), repeats an old value, or
   subtracts an old meter from a new one. Or energy is missing between two sessions that seems to be
   of one of them, or that cannot have flowed there. Or it goes on from a session in doubt.
3. Something else measured a very different amount: the power, the energy of the intervals, the
   car's battery, or the readings.
4. It includes another connector's energy: one meter counts for both, and both charged.
5. The end is unclear. The charger sent no stop, or one without a register, from before the start,
   or after somebody had closed the session; its clock stood still; or the connector reported
   Available in between.
6. The stop had no transaction id, or another session's. Or a stop came without any start.
7. A number could not be read, is missing, or has decimals that its unit cannot have.

Every question about a figure is one entry of `table.REFUTATIONS`. Group 6 is settled by
`charging.matching`. Nothing of `charging.propose` is used here.
"""

"""Reads of the database, in rooms by what they are about.

The writes of the same things are in rooms of the same names in `store.writes`. They are apart
because a write may use a read and never the other way round, and because some rooms of the program
(the command line, the simulator's verification) may read and may not write.
"""

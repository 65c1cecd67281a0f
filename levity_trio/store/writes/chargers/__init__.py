"""Writes of what chargers say and have, what is asked of them, and who may connect."""

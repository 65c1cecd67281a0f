"""Reads of chargers: what they said and have, what was asked of them, and who may connect."""

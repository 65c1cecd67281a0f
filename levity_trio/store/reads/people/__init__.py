"""Reads of households and what belongs to them: cards, cars, spaces, users, messages."""

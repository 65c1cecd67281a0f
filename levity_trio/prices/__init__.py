"""Prices of energy that move: how they are read, and fetched."""

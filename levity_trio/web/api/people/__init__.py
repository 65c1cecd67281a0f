"""Endpoints of households, of what belongs to them, and of users."""

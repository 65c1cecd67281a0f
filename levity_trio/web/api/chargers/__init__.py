"""Endpoints of chargers: what they said and have, what is asked of them, and who may connect."""

"""Endpoints of drivers: all that is below /api/me."""

"""levity-trio: an OCPP 1.6-J central system in one process, on trio and SQLite."""

__version__ = "0.1.0"

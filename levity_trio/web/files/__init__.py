"""The files of chargers: a listener of its own, at secret URLs, and what it shares with the
operator API."""

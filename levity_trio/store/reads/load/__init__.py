"""Reads of load management: the site, its day and its past, and the chargers that it limits."""

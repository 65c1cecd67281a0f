"""Whose energy it was and what it costs: tariffs, prices, statements. Pure: no SQL, no trio, no
clock."""

"""Bills: whose energy it was and what it costs, by tariffs and prices, on statements. Pure: no SQL,
no trio, no clock."""

-- What a session counts for in a month is kept in millionths of a minor unit, so that tax is rounded once for the month.
UPDATE month_use SET amount = amount * 1000000;

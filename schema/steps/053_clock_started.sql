-- A simulated clock that was started again goes on from the time at which it stood still: it showed begun_at when the
-- machine's clock showed started_at (NULL: the same time).
ALTER TABLE simulated_time ADD COLUMN started_at TEXT;

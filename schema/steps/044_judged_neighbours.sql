-- How many judgements, one after the other, each of which changed what its neighbours go by, led to the one that is due
-- (judge_after). 0 if a fact of its own did.
ALTER TABLE tx ADD COLUMN judge_steps INTEGER NOT NULL DEFAULT 0;

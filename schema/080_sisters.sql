-- Whether a charger contradicted what its sisters proved, or a person wants to be asked about it, is looked up at each
-- judgement.
-- serves: 79
CREATE INDEX habit_ended ON habit (firmware, kind, revoked_at) WHERE revoked_at IS NOT NULL;
CREATE INDEX habit_asked ON habit (firmware, kind) WHERE asks_since IS NOT NULL;

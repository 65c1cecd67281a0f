-- Whether a charger contradicted what its sisters proved, or a person wants to be asked about it, is looked up at each
-- judgement; whether the server itself asked a charger to boot, at each connection of one that never did.
-- serves: 80
CREATE INDEX habit_ended ON habit (firmware, kind, revoked_at) WHERE revoked_at IS NOT NULL;
CREATE INDEX habit_asked ON habit (firmware, kind) WHERE asks_since IS NOT NULL;
CREATE INDEX command_of_system ON command (cp_id) WHERE asked_by = 'system';

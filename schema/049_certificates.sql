-- What a charger reported since an operator asked for its security profile is found without a look at its other facts.
CREATE INDEX event_security ON event (cp_id, at) WHERE kind = 'SecurityEventReported';

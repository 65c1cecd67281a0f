-- The facts that a server counts when it starts, found without reading all the others; they are rare, and no other
-- costs anything.
CREATE INDEX event_counted ON event (kind, cp_id)
    WHERE kind IN ('EnergyJumped', 'EnergyUnbilled', 'IdentityShared', 'TransactionClosed', 'TransactionStopped');

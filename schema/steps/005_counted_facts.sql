-- The facts that a server counts when it starts, found without a scan. They are rare, and other facts cost nothing.
CREATE INDEX event_counted ON event (kind, cp_id)
    WHERE kind IN ('EnergyJumped', 'EnergyUnbilled', 'IdentityShared', 'TransactionClosed', 'TransactionStopped');

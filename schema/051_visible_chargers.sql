-- The chargers that take up room. Strangers that made room for others are hidden, and their rows stay.
CREATE INDEX cp_visible ON cp (registration) WHERE hidden_at IS NULL;

-- A card that a charger reads in another way than others do.
ALTER TABLE tag ADD COLUMN same_as TEXT;
CREATE INDEX tag_same ON tag (same_as) WHERE ended_at IS NULL AND same_as IS NOT NULL;

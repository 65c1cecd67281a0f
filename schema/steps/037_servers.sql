-- Parts of imports. server: which one stages and applies it; empty for a database with one server. import: the id of the
-- first part of the same import, 0 before this version, when there was one import at a time. A server has several where it
-- took over those of a server that is gone; one that is accepted says nothing of the others.
ALTER TABLE tag_import_part ADD COLUMN server TEXT NOT NULL DEFAULT '';
ALTER TABLE tag_import_part ADD COLUMN import INTEGER NOT NULL DEFAULT 0;
CREATE INDEX tag_import_part_server ON tag_import_part (server, import, id);
CREATE INDEX tag_import_part_accepted ON tag_import_part (server, id) WHERE tags IS NOT NULL;

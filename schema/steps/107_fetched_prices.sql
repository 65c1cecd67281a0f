-- Prices of a series are fetched, and people are told when they stop coming.

-- How the fetching of a series goes. Written by the server that has the duties of the site, after
-- each attempt; another source begins anew.
CREATE TABLE series_fetch (
    series_id INTEGER PRIMARY KEY REFERENCES series (id),
    tried_at TEXT NOT NULL,
    failure TEXT,  -- what the last one lacked, as a text that is stored; NULL: nothing
    missing TEXT,  -- the local day whose prices are missing, since `since`; NULL: people need none
    since TEXT
) STRICT;

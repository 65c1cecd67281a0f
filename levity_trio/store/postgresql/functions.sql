-- What the statements and the schema, which are written for SQLite, expect of a database beside PostgreSQL's own.

CREATE SCHEMA levity;
SET LOCAL search_path = levity;

-- The version of the schema. place: where it was created, or went on after a restore; a copy is in another place.
CREATE TABLE migrated (version integer NOT NULL, place text NOT NULL);
CREATE FUNCTION place() RETURNS text STABLE LANGUAGE sql AS $$
    SELECT oid || '/' || 'levity.migrated'::regclass::oid FROM pg_database WHERE datname = current_database()
$$;
INSERT INTO migrated VALUES (0, place());

-- The servers of this database. Each writes its own row, with each of its transactions.
CREATE TABLE server (
    name text PRIMARY KEY,
    token bigint NOT NULL, -- grows each time a server with this name starts, and when its lease is ended
    batch bigint NOT NULL, -- the number of its last transaction
    until timestamptz NOT NULL, -- its lease, which has not run out if the server has stopped
    since timestamptz NOT NULL DEFAULT '-infinity', -- when its lease began
    has_duties boolean NOT NULL DEFAULT false, -- one server does what is to be done once for the site
    is_alone boolean NOT NULL DEFAULT false -- a command that no server may run beside
) WITH (fillfactor = 50);

-- Ids without gaps, in the order of commits, for the tables that are followed by id.
CREATE TABLE counted (name text PRIMARY KEY, seq bigint NOT NULL) WITH (fillfactor = 50);
CREATE FUNCTION next_id(text) RETURNS bigint LANGUAGE sql AS $$
    UPDATE levity.counted SET seq = seq + 1 WHERE name = $1 RETURNING seq
$$;
-- The highest id of each table ever given out, under SQLite's name for it.
CREATE VIEW sqlite_sequence AS SELECT name, seq FROM counted;

-- Free pages are PostgreSQL's own affair: there are none to release.
CREATE VIEW freelist_count AS SELECT 0 AS freelist_count;
CREATE VIEW page_size AS SELECT current_setting('block_size')::integer AS page_size;

-- Texts that differ only in capitals are the same.
CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);

-- GLOB: only *, ? and classes such as [0-9] are used.
CREATE FUNCTION matches(text, text) RETURNS boolean IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql RETURN
    $1 ~ ('^' || replace(replace(replace($2, '.', '\.'), '*', '.*'), '?', '.') || '$');
CREATE FUNCTION matches_not(text, text) RETURNS boolean IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql RETURN
    NOT levity.matches($1, $2);
CREATE OPERATOR *~ (LEFTARG = text, RIGHTARG = text, FUNCTION = matches);
CREATE OPERATOR !*~ (LEFTARG = text, RIGHTARG = text, FUNCTION = matches_not);

-- The greatest or least of several values; NULL if one of them is. GREATEST and LEAST would leave it out.
CREATE FUNCTION max(bigint, bigint) RETURNS bigint IMMUTABLE PARALLEL SAFE LANGUAGE sql RETURN
    CASE WHEN $1 IS NULL OR $2 IS NULL THEN NULL WHEN $1 >= $2 THEN $1 ELSE $2 END;
CREATE FUNCTION min(bigint, bigint) RETURNS bigint IMMUTABLE PARALLEL SAFE LANGUAGE sql RETURN
    CASE WHEN $1 IS NULL OR $2 IS NULL THEN NULL WHEN $1 <= $2 THEN $1 ELSE $2 END;
CREATE FUNCTION max(text, text) RETURNS text IMMUTABLE PARALLEL SAFE LANGUAGE sql RETURN
    CASE WHEN $1 IS NULL OR $2 IS NULL THEN NULL WHEN $1 >= $2 THEN $1 ELSE $2 END;
CREATE FUNCTION min(text, text) RETURNS text IMMUTABLE PARALLEL SAFE LANGUAGE sql RETURN
    CASE WHEN $1 IS NULL OR $2 IS NULL THEN NULL WHEN $1 <= $2 THEN $1 ELSE $2 END;
CREATE FUNCTION max(text, text, text) RETURNS text IMMUTABLE PARALLEL SAFE LANGUAGE sql RETURN
    levity.max(levity.max($1, $2), $3);
CREATE FUNCTION min(text, text, text) RETURNS text IMMUTABLE PARALLEL SAFE LANGUAGE sql RETURN
    levity.min(levity.min($1, $2), $3);
CREATE FUNCTION max(bigint, bigint, bigint) RETURNS bigint IMMUTABLE PARALLEL SAFE LANGUAGE sql RETURN
    levity.max(levity.max($1, $2), $3);

-- How often a condition is true, and whether it ever is.
CREATE FUNCTION add_true(bigint, boolean) RETURNS bigint IMMUTABLE LANGUAGE sql RETURN
    CASE WHEN $2 IS NULL THEN $1 ELSE coalesce($1, 0) + $2::integer END;
CREATE AGGREGATE sum(boolean) (SFUNC = add_true, STYPE = bigint);
CREATE AGGREGATE max(boolean) (SFUNC = pg_catalog.boolor_statefunc, STYPE = boolean);
CREATE FUNCTION add_number(double precision, bigint) RETURNS double precision IMMUTABLE LANGUAGE sql RETURN
    $1 + coalesce($2, 0);
CREATE AGGREGATE total(bigint) (SFUNC = add_number, STYPE = double precision, INITCOND = '0');

-- Texts
-- The functions of string_agg would need a superuser.
CREATE FUNCTION joined(text, text, text) RETURNS text IMMUTABLE PARALLEL SAFE LANGUAGE sql RETURN
    CASE WHEN $1 IS NULL THEN $2 WHEN $2 IS NULL THEN $1 ELSE $1 || $3 || $2 END;
CREATE AGGREGATE group_concat(text, text) (SFUNC = joined, STYPE = text);
CREATE FUNCTION instr(text, text) RETURNS bigint IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql RETURN strpos($1, $2);
-- SQLite folds the letters of ASCII only, PostgreSQL those of the database's language.
CREATE FUNCTION lowered(text) RETURNS text IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql RETURN lower($1 COLLATE "C");
CREATE FUNCTION chars(VARIADIC integer[]) RETURNS text IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql RETURN
    (SELECT string_agg(chr(code), '') FROM unnest($1) AS code);

-- JSON in columns of text. A path is $ with names of properties or numbers of items.
CREATE FUNCTION json_valid(text) RETURNS boolean IMMUTABLE STRICT LANGUAGE plpgsql AS $$
BEGIN
    PERFORM $1::json;
    RETURN true;
EXCEPTION WHEN invalid_text_representation THEN
    RETURN false;
END $$;
CREATE FUNCTION readable(text) RETURNS text IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql RETURN
    replace($1, '\u0000', '\u2400'); -- an escaped NUL, which no text of PostgreSQL can have
CREATE FUNCTION json_type(text) RETURNS text IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql RETURN json_typeof($1::json);
CREATE FUNCTION json_extract(text, text) RETURNS text IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql RETURN
    jsonb_path_query_first(levity.readable($1)::jsonb, $2::jsonpath) #>> '{}';
CREATE FUNCTION json_each(text) RETURNS TABLE (key text, value text) IMMUTABLE STRICT LANGUAGE sql AS $$
    SELECT pairs.key, pairs.value
    FROM pg_catalog.json_each_text(CASE json_typeof($1::json) WHEN 'object' THEN $1::json END) AS pairs
    UNION ALL SELECT (number - 1)::text, items.value
    FROM pg_catalog.json_array_elements_text(CASE json_typeof($1::json) WHEN 'array' THEN $1::json END)
        WITH ORDINALITY AS items (value, number)
$$;
CREATE FUNCTION json_texts(text[]) RETURNS text IMMUTABLE LANGUAGE sql RETURN to_json($1);
CREATE AGGREGATE json_group_array(text) (
    SFUNC = pg_catalog.array_append, STYPE = text[], FINALFUNC = json_texts, INITCOND = '{}'
);

-- Triggers have a table in PostgreSQL, but not in SQLite.
CREATE PROCEDURE drop_trigger(text) LANGUAGE plpgsql AS $$
DECLARE place regclass;
BEGIN
    SELECT tgrelid INTO STRICT place FROM pg_trigger WHERE tgname = $1;
    EXECUTE format('DROP TRIGGER %I ON %s', $1, place);
    EXECUTE format('DROP FUNCTION levity.%I()', $1);
END $$;

-- A date some months or years later. A day that the month lacks counts into the next one, as in SQLite.
CREATE FUNCTION date(text, VARIADIC text[]) RETURNS text IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $$
DECLARE day date := substr($1, 1, 10); step interval;
BEGIN
    FOREACH step IN ARRAY $2::interval[] LOOP
        day := (date_trunc('month', day) + step)::date + (extract(day FROM day)::integer - 1);
    END LOOP;
    RETURN to_char(day, 'YYYY-MM-DD');
END $$;

SET LOCAL search_path TO DEFAULT;

-- What the tables of schema/ have on PostgreSQL alone, where several servers may use one database.

-- Which server stored a fact: it knows the facts of its own already, and learns those of others.
ALTER TABLE event
    ADD server text NOT NULL DEFAULT coalesce(current_setting('levity.server', true), '');

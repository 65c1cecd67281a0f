-- Several servers of one database. token: grows each time a server with this name starts, and when its lease is ended;
-- batch: the number of its last transaction; since, until: its lease, which has not run out if the server has stopped;
-- has_duties: one server does what is to be done once for the site; is_alone: a command that no server may run beside.
ALTER TABLE levity.server
    ADD since timestamptz NOT NULL DEFAULT '-infinity',
    ADD has_duties boolean NOT NULL DEFAULT false,
    ADD is_alone boolean NOT NULL DEFAULT false;
UPDATE levity.server SET until = '-infinity';

-- Which server stored a fact: it knows the facts of its own already, and learns those of others.
ALTER TABLE event ADD server text NOT NULL DEFAULT coalesce(current_setting('levity.server', true), '');

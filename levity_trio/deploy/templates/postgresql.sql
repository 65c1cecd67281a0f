-- The role and the database of levity-trio, written by `levity-trio deploy` @@{version}:
--   sudo -u postgres psql -v ON_ERROR_STOP=1 -f postgresql.sql
-- What is there already stays as it is. The role has no password: on this machine its system user is enough.
SELECT format('CREATE ROLE %I LOGIN', @@{role})
    WHERE NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = @@{role}) \gexec
SELECT format('CREATE DATABASE %I OWNER %I TEMPLATE template0 ENCODING ''UTF8'' LOCALE ''C''', @@{database}, @@{role})
    WHERE NOT EXISTS (SELECT 1 FROM pg_database WHERE datname = @@{database}) \gexec

-- The warehouse: a role that owns one database, and in it the schemas that it makes. Run it as a superuser:
--   psql -U postgres -f deployments/grants/postgres.sql
-- First replace <password>. Statement by statement: CREATE DATABASE does not run inside a transaction.

create role analytics_user login nosuperuser nocreatedb nocreaterole noreplication password '<password>';

create database opendental_analytics owner analytics_user encoding 'UTF8' template template0;

-- By default everybody may connect to a new database; patients' data are not for everybody.
revoke all on database opendental_analytics from public;

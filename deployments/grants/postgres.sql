-- The warehouse: a role that owns one database, and the schemas that it makes there.
-- Run it as a superuser:
--   psql -U postgres -f deployments/grants/postgres.sql
-- First replace <password>. Run it statement by statement: CREATE DATABASE is refused inside a
-- transaction.

create role analytics_user login nosuperuser nocreatedb nocreaterole noreplication password '<password>';

create database opendental_analytics owner analytics_user encoding 'UTF8' template template0;

-- By default everybody may connect to a new database; patients' data is not for everybody.
revoke all on database opendental_analytics from public;

-- The source: an account that reads the OpenDental database and may do nothing else.
-- Run it as an administrator of the clinic's server:
--   mysql -u root -p < deployments/grants/source.sql
-- First replace <password>, and replace '%' with the address of the machine that runs the ELT.
-- Replace `opendental` too if your database has another name. If the connection leaves the
-- machine, add REQUIRE SSL to the first statement.

create user 'readonly_user'@'%' identified by '<password>';

grant select on `opendental`.* to 'readonly_user'@'%';

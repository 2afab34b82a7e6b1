-- The source: reads the OpenDental database and nothing else. Run it as an administrator of the clinic's server:
--   mysql -u root -p < deployments/grants/source.sql
-- First replace <password>, '%' by the address of the machine that runs the ELT, and `opendental` if yours is
-- named otherwise. If the connection leaves the machine, add REQUIRE SSL to the first statement.

create user 'readonly_user'@'%' identified by '<password>';

grant select on `opendental`.* to 'readonly_user'@'%';

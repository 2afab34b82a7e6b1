-- The replica: a database of the ELT's own, on a server with local_infile=ON.
-- Run it as an administrator:
--   mysql -u root -p < deployments/grants/replica.sql
-- First replace <password>, and replace '%' with the address of the machine that runs the ELT.

create database if not exists `opendental_replication` character set utf8mb4;

create user 'replication_user'@'%' identified by '<password>';

-- An unescaped _ would stand for any character. RENAME TABLE needs alter, drop, create and insert;
-- SELECT ... FOR UPDATE needs update; LOAD DATA LOCAL needs insert.
grant select, insert, update, delete, create, alter, drop, index on `opendental\_replication`.* to 'replication_user'@'%';

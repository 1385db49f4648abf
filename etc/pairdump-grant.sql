-- Database and user of a pairdump catalog, with no more rights than it needs. Set the password, and
-- the host from which runs come (one CREATE USER and GRANT for each), then run it once as an
-- administrator:  mariadb -u root <pairdump-grant.sql

CREATE DATABASE IF NOT EXISTS pairdump CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE USER IF NOT EXISTS 'pairdump'@'localhost' IDENTIFIED BY 'change me';

-- Rows of runs, and (CREATE, DROP, INDEX, ALTER, REFERENCES) the tables: "pairdump catalog init" makes
-- them, a newer version may change them. These five can be taken back after "catalog init".
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, INDEX, ALTER, REFERENCES
    ON pairdump.* TO 'pairdump'@'localhost';

-- The replica's own bookkeeping. Times are UTC.
CREATE TABLE IF NOT EXISTS etl_replica (
    one TINYINT NOT NULL PRIMARY KEY DEFAULT 1 CHECK (one = 1),
    generation CHAR(36) NOT NULL COMMENT 'names this copy: another value means another or an emptied database'
) ENGINE = InnoDB;

INSERT IGNORE INTO etl_replica (one, generation) VALUES (1, UUID());

CREATE TABLE IF NOT EXISTS etl_extract_status (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    table_name VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    run_id VARCHAR(64) NOT NULL,
    state VARCHAR(16) NOT NULL COMMENT 'intent before a swap, complete once the table holds the extract',
    method VARCHAR(16) NOT NULL,
    reason VARCHAR(255) NOT NULL,
    scope VARCHAR(255) NOT NULL COMMENT 'what changed in the replica: everything, nothing, or the rows in etl_extract_scope',
    source_identity VARCHAR(512) NOT NULL,
    source_engine VARCHAR(64) NOT NULL,
    source_fingerprint CHAR(32) NOT NULL,
    source_created DATETIME(6) NULL,
    source_updated DATETIME(6) NULL,
    source_auto_increment BIGINT UNSIGNED NULL,
    source_rows BIGINT NULL,
    read_from DATETIME(6) NULL COMMENT 'the clock of the source when the read began',
    structure CHAR(32) NULL COMMENT 'digest of the source table''s definition and of what this server made of it',
    clean BOOLEAN NOT NULL COMMENT 'nobody wrote while it was read',
    rows_total BIGINT NOT NULL,
    rows_inserted BIGINT NOT NULL,
    rows_updated BIGINT NOT NULL,
    rows_deleted BIGINT NOT NULL,
    replica_created DATETIME(6) NULL COMMENT 'CREATE_TIME of the replica table: another one was put in its place',
    seconds DOUBLE NOT NULL,
    finished_at DATETIME(6) NOT NULL,
    KEY (table_name, id)
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS etl_extract_lock (
    table_name VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL PRIMARY KEY,
    fence BIGINT NOT NULL COMMENT 'grows with each writer; a writer whose number is old may not commit'
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS etl_extract_scope (
    extract_id BIGINT NOT NULL,
    part INT NOT NULL,
    rows_changed LONGTEXT CHARACTER SET utf8mb4 NOT NULL COMMENT 'ranges of keys and single keys whose rows the extract changed, as JSON',
    PRIMARY KEY (extract_id, part)
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS etl_extract_progress (
    table_name VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL PRIMARY KEY,
    watermark CHAR(32) NOT NULL COMMENT 'state of the source table when the read began',
    read_from DATETIME(6) NOT NULL,
    last_key LONGTEXT CHARACTER SET utf8mb4 NOT NULL COMMENT 'literals of the last key read, as JSON',
    rows_read BIGINT NOT NULL,
    hash_sum BIGINT UNSIGNED NOT NULL COMMENT 'sum of the hashes of the rows read, modulo 2^64'
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS etl_extract_grid (
    table_name VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL PRIMARY KEY,
    extract_id BIGINT NOT NULL COMMENT 'the last extract that the cells follow',
    hashed CHAR(32) NOT NULL COMMENT 'digest of how a row is hashed',
    grid LONGTEXT CHARACTER SET utf8mb4 NOT NULL COMMENT 'where the key''s cells begin and how wide they are, as JSON',
    rows_laid BIGINT NOT NULL COMMENT 'the rows that the table had when it was cut into cells'
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS etl_extract_cell (
    table_name VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    cell BIGINT UNSIGNED NOT NULL,
    rows_held BIGINT NOT NULL,
    whole_sum BIGINT UNSIGNED NULL COMMENT 'sum of the rows'' hashes over all columns, modulo 2^64',
    stamped_sum BIGINT UNSIGNED NULL COMMENT 'the same over key and stamps',
    PRIMARY KEY (table_name, cell)
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS etl_mark (
    table_name VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL PRIMARY KEY,
    mark VARCHAR(64) NOT NULL COMMENT 'when the table was last written, and its rows, as it was last counted'
) ENGINE = InnoDB;

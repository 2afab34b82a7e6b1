-- The warehouse's own bookkeeping. {base} is the schema of the base tables, {raw} the one of the landing tables.
CREATE SCHEMA IF NOT EXISTS {raw};

CREATE SCHEMA IF NOT EXISTS {base};

CREATE TABLE IF NOT EXISTS {base}.etl_transform_status (
    table_name text PRIMARY KEY,
    fence bigint NOT NULL,
    replica_generation text NOT NULL DEFAULT '',
    extract_id bigint NOT NULL DEFAULT 0,
    extract_run text,
    load_id bigint NOT NULL DEFAULT 0,
    raw_name text UNIQUE,
    raw_oid bigint,
    raw_rows bigint NOT NULL DEFAULT 0,
    structure text,
    values_altered text NOT NULL DEFAULT '{{}}',
    names_altered text NOT NULL DEFAULT '{{}}',
    first_loaded_at timestamptz NOT NULL DEFAULT now(),
    loaded_at timestamptz,
    standardized_id bigint NOT NULL DEFAULT 0,
    standardize_rules text NOT NULL DEFAULT '',
    public_name text UNIQUE,
    public_id bigint NOT NULL DEFAULT 0,
    public_oid bigint,
    public_rows bigint NOT NULL DEFAULT 0,
    standardized_at timestamptz,
    checked_at timestamptz,
    verified_at timestamptz,
    verify_seconds double precision,
    gone_at timestamptz
);

CREATE TABLE IF NOT EXISTS {base}.etl_altered_value (
    table_name text NOT NULL,
    key numeric[] NOT NULL,
    column_name text NOT NULL,
    kind text NOT NULL,
    PRIMARY KEY (table_name, key, column_name, kind)
);

COMMENT ON TABLE {base}.etl_altered_value IS 'Values that PostgreSQL cannot hold, of tables whose keys are whole numbers: where they stand and how raw alters them.';

CREATE TABLE IF NOT EXISTS {base}.etl_mark (
    relation text PRIMARY KEY,
    mark text NOT NULL
);

COMMENT ON TABLE {base}.etl_mark IS 'What PostgreSQL knew of writes to a table when it was last counted.';

CREATE TABLE IF NOT EXISTS {base}.etl_schema_change (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    found_at timestamptz NOT NULL DEFAULT now(),
    run_id text,
    table_name text NOT NULL,
    kind text NOT NULL,
    column_name text,
    before text,
    after text
);

COMMENT ON TABLE {base}.etl_schema_change IS 'Changes of the source''s tables and columns, one row each; run_id is null for what was asked for.';

CREATE TABLE IF NOT EXISTS {base}.etl_dbt_status (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id text NOT NULL,
    good boolean NOT NULL,
    project_hash text NOT NULL,
    positions text NOT NULL,
    relations text NOT NULL,
    selected integer NOT NULL,
    seconds double precision NOT NULL,
    built_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS {base}.etl_change (
    table_name text NOT NULL,
    public_id bigint NOT NULL,
    row_count bigint,
    changed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (table_name, public_id)
);

CREATE TABLE IF NOT EXISTS {base}.etl_changed_row (
    table_name text NOT NULL,
    public_id bigint NOT NULL,
    links jsonb NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX IF NOT EXISTS etl_changed_row_table ON {base}.etl_changed_row (table_name, public_id);

COMMENT ON TABLE {base}.etl_change IS 'Changes of base tables, and of models, that no good build of the models has seen yet; row_count is null where it may be any row.';

COMMENT ON TABLE {base}.etl_changed_row IS 'The whole numbers, key and links, of the rows of these changes, as they were and as they are; of a model the columns that it keeps.';

COMMENT ON TABLE {base}.etl_transform_status IS 'Where raw and public stand, one row per source table; written with the rows.';

COMMENT ON COLUMN {base}.etl_transform_status.extract_id IS 'the last entry of the replica''s etl_extract_status that raw holds';

COMMENT ON COLUMN {base}.etl_transform_status.standardized_id IS 'the last load_id that public holds';

COMMENT ON COLUMN {base}.etl_transform_status.public_id IS 'grows when rows of public change; what dbt has built is kept in etl_dbt_status';

COMMENT ON COLUMN {base}.etl_transform_status.values_altered IS 'JSON: column, kind, count of the values that PostgreSQL cannot hold';

COMMENT ON COLUMN {base}.etl_transform_status.names_altered IS 'JSON: columns whose names PostgreSQL cannot hold or tell apart, and theirs in raw and in public';

COMMENT ON COLUMN {base}.etl_transform_status.structure IS 'JSON: the columns and the key that the source''s table had when it was last loaded';

COMMENT ON COLUMN {base}.etl_transform_status.gone_at IS 'since when the source no longer has the table';

COMMENT ON COLUMN {base}.etl_transform_status.checked_at IS 'when the table was last found or made equal to the replica';

COMMENT ON COLUMN {base}.etl_transform_status.verified_at IS 'when the table was last compared in all places, and mended if it had to be';

CREATE TABLE IF NOT EXISTS {base}.etl_run (
    run_id text PRIMARY KEY,
    state text NOT NULL,
    tables_named text NOT NULL,
    forced boolean NOT NULL,
    verified boolean NOT NULL,
    unchanged integer,
    models_passed integer,
    models_failed integer,
    started_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    seconds double precision
);

CREATE TABLE IF NOT EXISTS {base}.etl_run_table (
    run_id text NOT NULL REFERENCES {base}.etl_run ON DELETE CASCADE,
    table_name text NOT NULL,
    state text NOT NULL,
    method text NOT NULL,
    reason text NOT NULL,
    rows_total bigint NOT NULL,
    rows_read bigint NOT NULL,
    bytes_read bigint NOT NULL,
    rows_inserted bigint NOT NULL,
    rows_updated bigint NOT NULL,
    rows_deleted bigint NOT NULL,
    clean boolean NOT NULL,
    verified boolean NOT NULL,
    found text NOT NULL,
    watermark_before text NOT NULL,
    watermark_after text NOT NULL,
    extract_seconds double precision,
    load_seconds double precision,
    standardize_seconds double precision,
    seconds double precision NOT NULL,
    error_class text NOT NULL,
    note text NOT NULL,
    PRIMARY KEY (run_id, table_name)
);

CREATE OR REPLACE VIEW {base}.etl_table_status AS
SELECT
    table_name,
    status.checked_at,
    coalesce(status.raw_rows, 0) AS rows_total,
    CASE WHEN last.past THEN '' ELSE coalesce(last.state, '') END AS state,
    coalesce(last.method, '') AS method,
    last.seconds,
    coalesce(past.runs, 0) AS runs,
    coalesce(past.failures, 0) AS failures,
    coalesce(past.failures::double precision / nullif(past.runs, 0), 0) AS error_rate,
    past.mean_seconds,
    past.rows_changed,
    CASE WHEN last.past THEN '' ELSE coalesce(last.note, '') END AS note,
    status.verified_at,
    status.verify_seconds,
    CASE WHEN status.gone_at IS NULL
        THEN extract(epoch FROM now() - coalesce(status.verified_at, status.first_loaded_at))::double precision / 86400
    END AS unverified_days,
    coalesce(past.watermark, '') AS watermark,
    last.started_at AS worked_at,
    past.bytes_read
FROM {base}.etl_transform_status AS status
FULL JOIN (
    -- A failed table has work in every run until it is good, so a later run of all tables without it says that it is.
    SELECT DISTINCT ON (work.table_name)
        work.table_name,
        work.state,
        work.method,
        work.seconds,
        work.note,
        run.started_at,
        work.state = 'failed' AND run.started_at < (
            SELECT max(started_at)
            FROM {base}.etl_run
            WHERE tables_named = '' AND state IN ('good', 'red')
        ) AS past
    FROM {base}.etl_run_table AS work
    JOIN {base}.etl_run AS run USING (run_id)
    ORDER BY work.table_name, run.started_at DESC
) AS last USING (table_name)
LEFT JOIN (
    SELECT
        table_name,
        count(*) AS runs,
        count(*) FILTER (WHERE work.state = 'failed') AS failures,
        avg(work.seconds) AS mean_seconds,
        sum(rows_inserted + rows_updated + rows_deleted)::bigint AS rows_changed,
        (array_agg(watermark_after ORDER BY run.started_at DESC) FILTER (WHERE watermark_after <> ''))[1] AS watermark,
        sum(bytes_read)::bigint AS bytes_read
    FROM {base}.etl_run_table AS work
    JOIN {base}.etl_run AS run USING (run_id)
    GROUP BY table_name
) AS past USING (table_name)
-- A table without a position never came, or was dropped with it.
WHERE status.fence IS NOT NULL OR (last.state = 'failed' AND NOT last.past);

CREATE OR REPLACE VIEW {base}.etl_daily_runs AS
SELECT
    (run.started_at AT TIME ZONE 'UTC')::date AS day,
    count(*) AS runs,
    count(*) FILTER (WHERE run.state = 'red') AS red,
    count(*) FILTER (WHERE run.state = 'running') AS unfinished,
    avg(run.seconds) AS mean_seconds,
    max(run.seconds) AS longest_seconds,
    count(*) FILTER (WHERE run.state = 'red')::double precision / nullif(count(*) FILTER (WHERE run.state <> 'running'), 0) AS error_rate,
    coalesce(sum(made.tables), 0)::bigint AS tables,
    coalesce(sum(made.failed), 0)::bigint AS failed,
    coalesce(sum(made.verified), 0)::bigint AS verified,
    coalesce(sum(made.repaired), 0)::bigint AS repaired,
    coalesce(sum(made.rows_read), 0)::bigint AS rows_read,
    coalesce(sum(made.bytes_read), 0)::bigint AS bytes_read,
    coalesce(sum(made.rows_changed), 0)::bigint AS rows_changed
FROM {base}.etl_run AS run
LEFT JOIN (
    SELECT
        run_id,
        count(*) AS tables,
        count(*) FILTER (WHERE state = 'failed') AS failed,
        count(*) FILTER (WHERE verified) AS verified,
        count(*) FILTER (WHERE found <> '') AS repaired,
        sum(rows_read) AS rows_read,
        sum(bytes_read) AS bytes_read,
        sum(rows_inserted + rows_updated + rows_deleted) AS rows_changed
    FROM {base}.etl_run_table
    GROUP BY run_id
) AS made USING (run_id)
GROUP BY 1;

CREATE OR REPLACE VIEW {base}.etl_errors AS
SELECT
    work.error_class,
    count(*) AS times,
    count(DISTINCT work.table_name) AS tables,
    count(*)::double precision / (SELECT count(*) FROM {base}.etl_run_table) AS error_rate,
    min(run.started_at) AS first_at,
    max(run.started_at) AS last_at
FROM {base}.etl_run_table AS work
JOIN {base}.etl_run AS run USING (run_id)
WHERE work.error_class <> ''
GROUP BY work.error_class;

CREATE OR REPLACE VIEW {base}.etl_drift AS
SELECT
    work.run_id,
    work.table_name,
    coalesce(run.finished_at, run.started_at) AS found_at,
    work.found,
    CASE WHEN run.verified THEN '--verify' ELSE 'rotation' END AS found_by,
    work.reason
FROM {base}.etl_run_table AS work
JOIN {base}.etl_run AS run USING (run_id)
WHERE work.found <> '';

COMMENT ON TABLE {base}.etl_run IS 'One row per run; one that still says running long after was killed.';

COMMENT ON TABLE {base}.etl_run_table IS 'One row per run and table with work; a table that had none is only counted in etl_run.unchanged.';

COMMENT ON VIEW {base}.etl_table_status IS 'Each table: when it was last equal to the source, its last run with work, and how often that failed.';

COMMENT ON VIEW {base}.etl_daily_runs IS 'Each day (UTC): its runs, how many were red and how long they took, and what they did to tables.';

COMMENT ON VIEW {base}.etl_errors IS 'Each class of error, with the server''s own number where it gave one: how often, in how many tables, when.';

COMMENT ON VIEW {base}.etl_drift IS 'What verifications found and repaired that the runs before had missed.'

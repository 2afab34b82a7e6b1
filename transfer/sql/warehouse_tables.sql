-- The warehouse's own bookkeeping. {schema} is the schema of the base tables.
CREATE SCHEMA IF NOT EXISTS raw;

CREATE SCHEMA IF NOT EXISTS {schema};

CREATE TABLE IF NOT EXISTS {schema}.etl_transform_status (
    table_name text PRIMARY KEY,
    public_name text UNIQUE,
    fence bigint NOT NULL,
    replica_generation text NOT NULL DEFAULT '',
    extract_id bigint NOT NULL DEFAULT 0,
    load_id bigint NOT NULL DEFAULT 0,
    raw_oid bigint,
    raw_rows bigint NOT NULL DEFAULT 0,
    values_altered text NOT NULL DEFAULT '{{}}',
    loaded_at timestamptz,
    standardized_id bigint NOT NULL DEFAULT 0,
    standardize_rules text NOT NULL DEFAULT '',
    public_id bigint NOT NULL DEFAULT 0,
    public_oid bigint,
    public_rows bigint NOT NULL DEFAULT 0,
    standardized_at timestamptz,
    checked_at timestamptz
);

ALTER TABLE {schema}.etl_transform_status
ADD COLUMN IF NOT EXISTS raw_name text UNIQUE,
ADD COLUMN IF NOT EXISTS names_altered text NOT NULL DEFAULT '{{}}';

CREATE TABLE IF NOT EXISTS {schema}.etl_dbt_status (
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

COMMENT ON TABLE {schema}.etl_transform_status IS 'Where raw and public stand, one row per source table; written with the rows.';

COMMENT ON COLUMN {schema}.etl_transform_status.extract_id IS 'the last entry of the replica''s etl_extract_status that raw holds';

COMMENT ON COLUMN {schema}.etl_transform_status.standardized_id IS 'the last load_id that public holds';

COMMENT ON COLUMN {schema}.etl_transform_status.public_id IS 'grows when rows of public change; what dbt has built is kept in etl_dbt_status';

COMMENT ON COLUMN {schema}.etl_transform_status.values_altered IS 'JSON: column, kind, count of the values that PostgreSQL cannot hold';

COMMENT ON COLUMN {schema}.etl_transform_status.names_altered IS 'JSON: columns whose names PostgreSQL cannot hold or tell apart, and theirs in raw and in public';

COMMENT ON COLUMN {schema}.etl_transform_status.checked_at IS 'when the table was last found or made equal to the replica';

CREATE TABLE IF NOT EXISTS {schema}.etl_run (
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

CREATE TABLE IF NOT EXISTS {schema}.etl_run_table (
    run_id text NOT NULL REFERENCES {schema}.etl_run ON DELETE CASCADE,
    table_name text NOT NULL,
    state text NOT NULL,
    method text NOT NULL,
    reason text NOT NULL,
    rows_total bigint NOT NULL,
    rows_read bigint NOT NULL,
    rows_inserted bigint NOT NULL,
    rows_updated bigint NOT NULL,
    rows_deleted bigint NOT NULL,
    clean boolean NOT NULL,
    verified boolean NOT NULL,
    found text NOT NULL,
    extract_seconds double precision,
    load_seconds double precision,
    standardize_seconds double precision,
    seconds double precision NOT NULL,
    error_class text NOT NULL,
    note text NOT NULL,
    PRIMARY KEY (run_id, table_name)
);

CREATE OR REPLACE VIEW {schema}.etl_table_status AS
SELECT
    status.table_name,
    status.checked_at,
    status.raw_rows AS rows_total,
    coalesce(last.state, '') AS state,
    coalesce(last.method, '') AS method,
    last.seconds,
    coalesce(past.runs, 0) AS runs,
    coalesce(past.failures, 0) AS failures,
    coalesce(past.failures::double precision / nullif(past.runs, 0), 0) AS error_rate,
    past.mean_seconds,
    past.rows_changed,
    coalesce(last.note, '') AS note
FROM {schema}.etl_transform_status AS status
LEFT JOIN LATERAL (
    SELECT each.state, each.method, each.seconds, each.note
    FROM {schema}.etl_run_table AS each
    JOIN {schema}.etl_run AS run USING (run_id)
    WHERE each.table_name = status.table_name
    ORDER BY run.started_at DESC
    LIMIT 1
) AS last ON true
LEFT JOIN (
    SELECT
        table_name,
        count(*) AS runs,
        count(*) FILTER (WHERE state = 'failed') AS failures,
        avg(seconds) AS mean_seconds,
        sum(rows_inserted + rows_updated + rows_deleted)::bigint AS rows_changed
    FROM {schema}.etl_run_table
    GROUP BY table_name
) AS past ON past.table_name = status.table_name;

CREATE OR REPLACE VIEW {schema}.etl_daily_runs AS
SELECT
    (started_at AT TIME ZONE 'UTC')::date AS day,
    count(*) AS runs,
    count(*) FILTER (WHERE state = 'red') AS red,
    count(*) FILTER (WHERE state = 'running') AS unfinished,
    avg(seconds) AS mean_seconds,
    max(seconds) AS longest_seconds
FROM {schema}.etl_run
GROUP BY 1;

COMMENT ON TABLE {schema}.etl_run IS 'One row per run; one that still says running long after was killed.';

COMMENT ON TABLE {schema}.etl_run_table IS 'One row per run and table with work; a table that had none is only counted in etl_run.unchanged.';

COMMENT ON VIEW {schema}.etl_table_status IS 'Each table: when it was last equal to the source, its last run with work, and how often that failed.'

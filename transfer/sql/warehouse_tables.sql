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

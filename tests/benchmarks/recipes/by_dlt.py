"""Copies one table with dlt; runs in the tools' environment."""

import os
import sys

import dlt
import pyarrow as pa
from dlt.destinations import postgres
from dlt.sources.sql_database import sql_table


def as_doubles(page: pa.Table) -> pa.Table:
    # dlt makes `double precision` of every float, and the binary COPY takes no other width.
    wide = [
        field.with_type(pa.float64()) if field.type == pa.float32() else field
        for field in page.schema
    ]
    return page.cast(pa.schema(wide))


table = sys.argv[1]
source, target = os.environ["SOURCE_URI"], os.environ["TARGET_URI"]
# ConnectorX in pages, as dlt advises for large tables; minimal reflection leaves the types to Arrow, as Parquet needs it.
rows = sql_table(
    credentials=source.replace("mysql://", "mysql+pymysql://", 1),
    table=table,
    backend="connectorx",
    backend_kwargs={"conn": source, "return_type": "arrow_stream"},
    reflection_level="minimal",
).add_map(as_doubles)
# Parquet files loaded by ADBC: "fast loading" in dlt's words; its CSV takes nearly three times the CPU for each row.
dlt.pipeline("copy", destination=postgres(target), dataset_name="bench_dlt").run(
    rows, write_disposition="replace", loader_file_format="parquet"
)

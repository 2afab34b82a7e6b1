"""Copies one table with pandas; runs in the tools' environment."""

import os
import sys

import connectorx
import pandas as pd
from adbc_driver_postgresql import dbapi

# Arrow from end to end: read by ConnectorX, kept in Arrow's types, written by ADBC, which pandas' guide prefers for speed.
# CSV into a COPY by psycopg2 takes three times the CPU, INSERTs of many rows (`method="multi"`) a hundred times.
table = sys.argv[1]
rows = connectorx.read_sql(
    os.environ["SOURCE_URI"], f"SELECT * FROM `{table}`", return_type="arrow"
)
frame = rows.to_pandas(types_mapper=pd.ArrowDtype)
with dbapi.connect(os.environ["TARGET_URI"]) as connection:
    with connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA IF NOT EXISTS bench_pandas")
    frame.to_sql(table, connection, schema="bench_pandas", if_exists="replace", index=False)
    connection.commit()

"""The lake: DuckDB tables over Parquet with a transactional catalog (DuckLake).

Table schemas, the store, ingest readers and the runner of the SQL models live
here. Decisions about trading do not, and neither does anything of Dagster.
"""

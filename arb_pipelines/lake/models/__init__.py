"""The SQL models of ``dbt_like_sql/``: plain SELECTs that become tables and views.

A model is a file that runs as it stands in any DuckDB client attached to the
lake. What it depends on, and which column comes from which, is read from its
SQL; what must hold is written beside it in YAML. Nothing is templated.

- ``files`` reads the folder, ``lineage`` parses the SQL,
- ``runner`` builds a model, ``checks`` makes its tests, ``fixtures`` tries it
  on given rows.
"""

"""The engine: markets, backtests, execution and the lake, in plain Python.

Only ``definitions.py`` imports Dagster. Nothing here reads the environment but
``settings.py``.
"""

"""The steps of the main job: each reads the lake, makes one engine call, writes the lake.

The command line and the Dagster assets both call these functions and nothing
below them, so that a step means the same wherever it is started. Mathematics
belongs in ``market``, decisions in ``trading``, simulation in ``backtest``.
"""

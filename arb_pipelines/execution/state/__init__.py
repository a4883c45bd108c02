"""The engine's durable state: every cycle, order, fill and change of state, in a SQLite file.

One file an account, written by the one process that trades on it. What a crash leaves open
is in it, so whoever starts next can finish it (``execution.recovery``). For research there
is the lake, into which ended cycles flow; this file is for the running engine.
"""

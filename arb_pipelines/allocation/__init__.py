"""Who gets scarce order capacity: work stealing by distance, and what it is worth.

Decisions and their simulation. The allocator has no clock and no I/O of its own,
so that a backtest and a live session use the same object.
"""

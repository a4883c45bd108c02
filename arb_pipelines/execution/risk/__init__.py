"""Risk at work: counters and pauses kept in the state file, and who may lift a pause.

What is checked, and when a counter is breached, is decided in ``trading.risk``.
"""

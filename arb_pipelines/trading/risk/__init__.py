"""Risk beyond the gate: pure checks of what a signal asks for, and counters of what came of it.

Nothing here does I/O or asks the time. ``checks`` refuse one signal, ``breakers`` pause a
strategy by its ``RiskBook``. Where counters and pauses are kept, and who may lift a pause,
belongs to ``execution``.
"""

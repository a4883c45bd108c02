"""Proof that a crash of the engine loses nothing: it is killed at every point of a cycle.

Run it with ``make torture``. ``points`` stops the engine where it is to die, ``processes``
starts engine and exchange, ``venue`` and ``state_file`` read what each of the two has on disk,
``audit`` holds one to the other. Nothing in here that judges the engine uses its code.
"""

"""The recorder format: what `arb record` and the generator write and ``lake/readers`` reads.

``docs/recording-format.md`` describes it to other programs. Reading a recording
as book rows belongs in ``lake/readers/recording.py``.
"""

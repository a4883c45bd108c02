"""What starts runs, and what follows when one ends: sensors and schedules.

A sensor asks the engine what is new and names the partitions to run. How a
partition is computed belongs in ``assets``; deciding that a file is new, in
``arb_pipelines.lake.landing``.
"""

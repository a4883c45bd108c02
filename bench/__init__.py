"""Benchmarks against the peers, in one run. They print and judge nothing else."""

"""Dagster assets: the tables of the lake and how each follows from the others.

An asset body reads its partitions, makes one engine call for each and returns
metadata. What a step does belongs in ``arb_pipelines.research`` and
``arb_pipelines.lake``; what starts a run belongs in ``sensors``.
"""

import warnings

import dagster as dg

# Backfill policies and multi-dimensional partition mappings are marked beta in
# Dagster 1.13. They are used on purpose; the warning would repeat in every process.
warnings.filterwarnings("ignore", category=dg.BetaWarning)

"""The engine: markets, backtests and the lake, in plain Python.

Only ``definitions.py``, which puts the code location together, and
``headless.py``, which runs its jobs without the UI, import Dagster; the import
rules in ``pyproject.toml`` keep it so. The environment is read in
``settings.py`` alone.
"""

from arb_pipelines.kernel_cache import use_fresh_kernels

use_fresh_kernels()

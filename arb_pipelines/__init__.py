"""The engine: markets, backtests and the lake, in plain Python.

Three modules import Dagster: ``definitions.py`` puts the code location together,
``headless.py`` runs its jobs without the UI, ``run_launcher.py`` watches over the
processes of its runs. No room of the engine does; the import
rules in ``pyproject.toml`` keep it so. The environment is read in
``settings.py`` alone.
"""

from arb_pipelines.kernel_cache import use_fresh_kernels

use_fresh_kernels()

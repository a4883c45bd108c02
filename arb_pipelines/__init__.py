"""The engine: markets, backtests and the lake, in plain Python.

Two modules import Dagster: ``definitions.py`` puts the code location together, and
``headless.py`` runs its jobs without the UI. No room of the engine does; the import
rules in ``pyproject.toml`` keep it so. The environment is read in ``settings.py``
alone.
"""

from arb_pipelines.kernel_cache import use_fresh_kernels

use_fresh_kernels()

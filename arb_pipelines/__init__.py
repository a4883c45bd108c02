"""The engine: markets, backtests and the lake, in plain Python.

Two modules import Dagster: ``definitions.py`` puts the code location together, and
``headless.py`` runs its jobs without the UI. No room of the engine does; the import
rules in ``pyproject.toml`` keep it so. The environment is read in ``settings.py``
alone.

What a program of somebody else calls is here too, and loaded when it is first asked for:
``execute_cycle``, with its result ``CycleResult``.
"""

from typing import TYPE_CHECKING

from arb_pipelines.kernel_cache import use_fresh_kernels

if TYPE_CHECKING:
    from arb_pipelines.research.library.call import execute_cycle
    from arb_pipelines.research.library.results import CycleResult

__all__ = ["CycleResult", "execute_cycle"]

use_fresh_kernels()


def __getattr__(name: str) -> object:
    if name == "execute_cycle":
        from arb_pipelines.research.library.call import execute_cycle

        return execute_cycle
    if name == "CycleResult":
        from arb_pipelines.research.library.results import CycleResult

        return CycleResult
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

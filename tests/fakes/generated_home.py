"""A home with a strategy, a small generated market in its landing folder, and nothing else."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from arb_pipelines.generator.planted import Planting
from arb_pipelines.generator.write import generate

DAYS = (date(2026, 1, 5), date(2026, 1, 6))
#: When its files changed: young ones are looked at twice, in case they grow.
_LONG_AGO_S = 1_767_600_000
STRATEGY = """
name: alpha
exchange: demo
universe: {start: [USDT]}
min_profit_bps: 1
fee_bps: 0
capital_allocation: {mode: fixed_amount, amount: 100}
balances: {USDT: 1000}
"""


def new_home(folder: Path, *, days: Sequence[date] = DAYS) -> Path:
    """A home with a strategy and a generated market in the landing folder."""
    made = generate(
        folder / "made",
        days=days,
        symbols=12,
        minutes=0.5,
        seed=3,
        planting=Planting(count=3, gross_bps=60.0, life_ms=400),
    )
    for name, files in (
        ("recording", [file.path for file in made.recordings]),
        ("symbols_kucoin", [made.symbol_list.path]),
    ):
        landing = folder / "home" / "landing" / "demo" / name
        landing.mkdir(parents=True)
        for file in files:
            target = f"{days[0]}.json" if name.startswith("symbols") else file.name
            shutil.copy(file, landing / target)
            os.utime(landing / target, (_LONG_AGO_S, _LONG_AGO_S))
    (folder / "strategies").mkdir()
    (folder / "strategies" / "alpha.yaml").write_text(STRATEGY)
    return folder / "home"

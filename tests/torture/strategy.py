"""The strategy that dies: what all its variants say, and what one of them says more."""

from __future__ import annotations

import json
from collections.abc import Mapping

#: What a strategy says, by section: each section a mapping.
Rules = Mapping[str, Mapping[str, object]]

_ALIKE = {
    "name": "torture",
    "exchange": "kucoin",
    "min_profit_bps": -500,
    "max_slippage_bps": 200,
    "max_age_ms": 600_000,
    "slots": 3,
}
_SECTIONS: Rules = {
    "universe": {"start": ["USDT"]},
    "isolation": {"symbol": False},
    "capital_allocation": {"mode": "fixed_amount", "amount": 100},
    "balances": {"USDT": 5_000},
    "unwind": {"max_slippage_bps": 500},
    "session": {
        "books": "depth5",
        "depth": 5,
        "scan": False,
        "fill_wait_ms": 250,
        "unknown_wait_ms": 600,
        "leg_timeout_ms": 3_000,
        "flush_s": 0.5,
    },
}


def strategy(rules: Rules) -> str:
    """Make a strategy file that says ``rules`` over what all say; JSON is YAML, too."""
    sections = {name: {**_SECTIONS.get(name, {}), **said} for name, said in rules.items()}
    return json.dumps({**_ALIKE, **_SECTIONS, **sections}, indent=1)

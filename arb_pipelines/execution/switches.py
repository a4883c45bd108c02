"""Whether orders leave as orders: the one decision between paper and money.

An order leaves as an order only on an exchange of this machine, or when two independent
switches say so: ``mode: live`` in the strategy's file and ``ARB_ALLOW_LIVE=yes`` in the
environment. Else each leg goes to the venue's test of orders, and fills are simulated.
"""

from __future__ import annotations

from dataclasses import dataclass

from arb_pipelines.errors import ConfigError
from arb_pipelines.trading.session_rules import TradingMode


@dataclass(frozen=True, slots=True)
class Permission:
    """What a session may do. ``places_orders``: they reach the venue's market."""

    mode: TradingMode
    places_orders: bool


def permission(
    *,
    local: bool,
    strategy: TradingMode,
    asked: TradingMode | None,
    allowed: bool,
    dry_run: bool = False,
) -> Permission:
    """Decide by the venue's address, the strategy's mode, who asked, and the environment.

    A dry run places nothing, wherever it runs. Who asks for ``live`` and may not is refused. A
    strategy that says ``live`` where the environment does not runs on paper; so does a live one
    of which paper is asked.

    Raises:
        ConfigError: live was asked for and a switch is missing; says which.
    """
    if asked is TradingMode.LIVE and strategy is not TradingMode.LIVE:
        raise ConfigError(
            "live was asked for, and the strategy does not say `mode: live`; write it into its "
            "file, or ask for paper",
            source="mode",
        )
    if asked is TradingMode.LIVE and not allowed:
        raise ConfigError(
            "live was asked for, and the environment does not allow it; set ARB_ALLOW_LIVE=yes, "
            "or ask for paper",
            source="ARB_ALLOW_LIVE",
        )
    if dry_run:
        return Permission(TradingMode.PAPER, places_orders=False)
    live = strategy is TradingMode.LIVE and asked is not TradingMode.PAPER and allowed
    return Permission(TradingMode.LIVE if live else TradingMode.PAPER, local or live)


def check_key(chosen: Permission, can_withdraw: bool | None) -> None:
    """Refuse to trade live with a key that lets money leave the account.

    Raises:
        ConfigError: it does.
    """
    if chosen.mode is TradingMode.LIVE and can_withdraw:
        raise ConfigError(
            "this key may withdraw or transfer; make one for trading alone, restricted to this "
            "machine's address",
            source="API key",
        )

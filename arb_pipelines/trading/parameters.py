"""What a strategy file may say: every parameter, its unit and its default.

Reading the file, and naming the line of a mistake, is the part of ``strategy``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from arb_pipelines.errors import ConfigError
from arb_pipelines.trading.panic_rules import PanicRules
from arb_pipelines.trading.recovery_rules import RecoveryRules
from arb_pipelines.trading.risk.parameters import RiskRules
from arb_pipelines.trading.session_rules import SessionRules, TradingMode
from arb_pipelines.yaml_files import MisplacedValue

#: Of trading pairs without balances, cycles begin with those of these that the pairs name.
STABLE_CURRENCIES = ("USDC", "USD", "USDT")

Bps = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Delay = Annotated[float, Field(ge=0, le=600_000, allow_inf_nan=False)]


class _Section(BaseModel):
    """A part of the file: unknown keys are refused, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Universe(_Section):
    """Which cycles are traded."""

    start: tuple[str, ...] = Field(min_length=1, description="Start currencies.")
    min_length: int = Field(3, ge=3, le=5, description="Fewest legs of a cycle.")
    max_length: int = Field(3, ge=3, le=5, description="Most legs of a cycle.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_length > self.max_length:
            raise ValueError("min_length is greater than max_length")
        return self


class FixedFraction(_Section):
    """Commit a share of the start currency's free balance to each cycle."""

    mode: Literal["fixed_fraction"]
    fraction: float = Field(gt=0, le=1, description="Share of the free balance.")


class FixedAmount(_Section):
    """Commit the same amount to each cycle, or what is free if that is less."""

    mode: Literal["fixed_amount"]
    amount: Positive = Field(description="Most input of a cycle, in its start currency.")


class Kelly(_Section):
    """Commit a share of the free balance that follows from what cycles have brought so far.

    ``kelly.committed_share`` has the formula.
    """

    mode: Literal["kelly"]
    kelly_fraction: float = Field(
        0.5, gt=0, le=1, description="Share of the full Kelly fraction that a cycle may use."
    )
    cap: float = Field(0.1, gt=0, le=1, description="Most share of the free balance.")
    fallback: float = Field(
        0.02, gt=0, le=1, description="Share of the free balance until enough cycles have ended."
    )
    window: int = Field(200, ge=2, le=10_000, description="Last cycles that count.")
    min_cycles: int = Field(
        30, ge=2, le=10_000, description="Cycles that must have ended before their returns count."
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.fallback > self.cap:
            raise MisplacedValue("is greater than cap", "fallback")
        if self.min_cycles > self.window:
            raise MisplacedValue("is greater than window", "min_cycles")
        return self


class Constant(_Section):
    """The same delay each time."""

    distribution: Literal["constant"] = "constant"
    ms: Delay = Field(description="The delay.")


class Uniform(_Section):
    """Any delay between two bounds, all equally likely."""

    distribution: Literal["uniform"]
    low_ms: Delay = Field(description="Shortest delay.")
    high_ms: Delay = Field(description="Longest delay.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low_ms > self.high_ms:
            raise ValueError("low_ms is greater than high_ms")
        return self


class LogNormal(_Section):
    """A right-skewed delay, given by its median and 99th percentile."""

    distribution: Literal["lognormal"]
    median_ms: float = Field(gt=0, le=600_000, description="Delay that half are below.")
    p99_ms: float = Field(gt=0, le=600_000, description="Delay that 99 of 100 are below.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.median_ms > self.p99_ms:
            raise ValueError("median_ms is greater than p99_ms")
        return self


class Empirical(_Section):
    """One of the delays measured in a live session, all equally likely."""

    distribution: Literal["empirical"]
    samples_ms: tuple[Delay, ...] = Field(min_length=1, description="Measured delays.")


def _bare_number(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {"distribution": "constant", "ms": value}
    return value


Distribution = Annotated[
    Annotated[Constant | Uniform | LogNormal | Empirical, Field(discriminator="distribution")],
    BeforeValidator(_bare_number),
]


class Latency(_Section):
    """Delays between seeing and doing. A bare number of milliseconds is a constant."""

    decision_ms: Distribution = Field(
        Constant(ms=1.0), description="From receipt of the update to the first order's departure."
    )
    leg_ms: Distribution = Field(
        Constant(ms=20.0),
        description="From an order's departure to its fill; the next order leaves at once.",
    )


class Isolation(_Section):
    """What two executions in flight may not share."""

    triangle: bool = Field(True, description="The same set of symbols, in either direction.")
    symbol: bool = Field(True, description="Any symbol.")
    start_currency: bool = Field(False, description="The start currency.")


class Unwind(_Section):
    """How what an unfinished cycle left in hand is brought back to the start currency."""

    max_slippage_bps: Bps = Field(
        100.0, ge=0, lt=10_000, description="Price protection against the best price when sent."
    )
    max_orders: int = Field(6, ge=0, le=32, description="Most orders an execution may unwind with.")
    max_hops: int = Field(2, ge=1, le=3, description="Most symbols that a way back leads over.")


class Strategy(_Section):
    """One strategy: what it trades, with how much, and under which rules."""

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$", description="Names its rows in the lake."
    )
    exchange: str = Field(
        pattern=r"^[a-z0-9][a-z0-9_-]*$", description="Venue whose books it trades."
    )
    universe: Universe | None = Field(None, description="Cycles by start currency and length.")
    trading_pairs: tuple[str, ...] | None = Field(
        None, min_length=3, description="Symbols; instead of a universe, triangles among these."
    )
    trading_pairs_file: str | None = Field(
        None, description="File of trading_pairs, one a line, # for comments; beside this file."
    )
    min_profit_bps: Bps = Field(
        description="Least net edge, after fees: of a signal, of each further unit of size, and of "
        "the whole after rounding."
    )
    max_slippage_bps: Bps = Field(
        10.0,
        ge=0,
        lt=10_000,
        description="Price protection of a leg against the best price when decided.",
    )
    capital_allocation: FixedFraction | FixedAmount | Kelly = Field(
        discriminator="mode", description="How much of the balance a cycle may use."
    )
    balances: dict[str, Positive] | None = Field(
        None,
        min_length=1,
        description="Start currencies in hand at the beginning: of each day of a backtest, which "
        "needs them; of a session, else with what the account has free and no strategy was given.",
    )
    fee_bps: float | None = Field(
        None, ge=0, lt=10_000, description="Taker fee a leg; unset for the markets' own."
    )
    latency: Latency = Field(Latency(), description="Delays of the execution model.")
    slots: int = Field(1, ge=1, le=64, description="Most executions in flight.")
    isolation: Isolation = Field(Isolation(), description="What executions may not share.")
    cool_down_ms: Delay = Field(
        0.0, description="Rest of a set of symbols after an execution on it has ended."
    )
    max_age_ms: Positive = Field(
        2_000.0,
        description="A leg's book not updated for longer than this is stale; a scan's default.",
    )
    unwind: Unwind = Field(Unwind(), description="What happens to residuals.")
    seed: int = Field(0, ge=0, lt=2**63, description="Seed of the latency draws.")
    mode: TradingMode = Field(TradingMode.PAPER, description="What a session of it may do.")
    session: SessionRules = Field(SessionRules(), description="How a session of it trades.")
    risk: RiskRules = Field(RiskRules(), description="Limits of its sessions; see docs/risk.md.")
    recovery: RecoveryRules = Field(
        RecoveryRules(), description="What becomes of cycles that a crash cut short."
    )
    panic_sell: PanicRules = Field(
        PanicRules(), description="How a session of it sells what a cycle left."
    )

    @field_validator("balances", mode="after")
    @classmethod
    def _sorted(cls, balances: dict[str, float] | None) -> dict[str, float] | None:
        return None if balances is None else dict(sorted(balances.items()))

    @model_validator(mode="after")
    def _one_universe(self) -> Self:
        if (self.universe is None) == (self.trading_pairs is None):
            raise ValueError("give a universe, or trading_pairs or a trading_pairs_file")
        if not self.start:
            pairs = "trading_pairs" if self.trading_pairs_file is None else "trading_pairs_file"
            raise MisplacedValue(
                f"none is in {', '.join(STABLE_CURRENCIES)}; write balances with the currencies "
                "that cycles begin with, such as balances: {BTC: 0.5}",
                pairs,
            )
        self.risk.check_currencies(self.start)
        missing = [c for c in self.start if self.balances is not None and c not in self.balances]
        if missing:
            raise ValueError(f"no balance for start currency {', '.join(missing)}")
        return self

    @property
    def start(self) -> tuple[str, ...]:
        """Start currencies: those of the universe, else those with a balance, else the stable."""
        if self.universe is not None:
            return self.universe.start
        if self.balances is not None:
            return tuple(self.balances)
        named = {part for pair in self.trading_pairs or () for part in pair.split("-")}
        return tuple(currency for currency in STABLE_CURRENCIES if currency in named)

    @property
    def in_hand(self) -> Mapping[str, float]:
        """The balances of a strategy that has some, as a backtest needs them.

        Raises:
            ConfigError: the file gives none.
        """
        if self.balances is None:
            raise ConfigError(f"{self.name} has none, and a backtest needs them", source="balances")
        return self.balances

    @property
    def lengths(self) -> tuple[int, int]:
        """Fewest and most legs of a cycle."""
        return (self.universe.min_length, self.universe.max_length) if self.universe else (3, 3)

    @property
    def digest(self) -> str:
        """SHA-256 of what decides about trades, with defaults filled in.

        Comments, order and layout of the file do not change it, nor does where the pairs
        stand or how a session would go about it.
        """
        sessions_own = {"trading_pairs_file", "mode", "session", "risk", "panic_sell", "recovery"}
        content = self.model_dump(mode="json", exclude=sessions_own)
        return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()

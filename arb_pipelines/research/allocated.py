"""Backtests of strategies that share one capital: read bars, run, keep the allocator's account.

The run itself is ``backtest.allocated_run``, the decisions are ``allocation``'s.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from arb_pipelines.allocation.audit import AuditRow
from arb_pipelines.allocation.hours import market_hours
from arb_pipelines.allocation.parameters import AllocationSettings
from arb_pipelines.backtest.allocated_run import AllocatedOutcome, run_allocated
from arb_pipelines.backtest.bars.arrays import BarArrays, bar_arrays
from arb_pipelines.backtest.bars.execution import BarExecution
from arb_pipelines.clock import NS_PER_S, day_of
from arb_pipelines.errors import DataError
from arb_pipelines.lake.bars import interval_seconds, read_bars
from arb_pipelines.lake.runs import recorded_run
from arb_pipelines.lake.schemas import ALLOCATION_EVENTS
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.backtests import digest_of
from arb_pipelines.trading.performance import max_drawdown
from arb_pipelines.trading.resting_dip import RestingDip, RestingDipStrategy
from arb_pipelines.yaml_files import read_model


class AllocatedBacktest(BaseModel):
    """What an allocation file may say: strategies, their one capital, and the rules of sharing."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$", description="Names its rows in the lake."
    )
    venue: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", description="Venue whose bars it trades.")
    interval: str = Field("1h", description="Length of the bars: 5m, 1h, 1d.")
    quote: str = Field(description="Currency of the capital; all symbols are bought with it.")
    capital: float = Field(
        gt=0, le=1e13, allow_inf_nan=False, description="In hand at the beginning, in quote."
    )
    fee_reserve_bps: float = Field(
        20.0,
        ge=0,
        lt=10_000,
        description="Set aside for a buy's fee, on top of its limit's worth. A buy whose fee is "
        "more is rejected by the venue.",
    )
    stocks: tuple[str, ...] = Field((), description="Symbols that keep the stock market's hours.")
    allocation: AllocationSettings = Field(AllocationSettings(), description="Rules of sharing.")
    execution: BarExecution = Field(BarExecution(), description="How orders fill on bars.")
    strategies: tuple[RestingDip, ...] = Field(min_length=1, description="Who shares the capital.")

    @field_validator("interval")
    @classmethod
    def _is_length(cls, interval: str) -> str:
        interval_seconds(interval)
        return interval

    @model_validator(mode="after")
    def _fit(self) -> Self:
        names = [strategy.name for strategy in self.strategies]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two strategies are called {', '.join(twice)}")
        foreign = [s.symbol for s in self.strategies if not s.symbol.endswith(f"-{self.quote}")]
        if foreign:
            raise ValueError(f"{', '.join(foreign)} is not bought with {self.quote}")
        unknown = set(self.stocks) - set(self.symbols)
        if unknown:
            raise ValueError(f"stocks: no strategy trades {', '.join(sorted(unknown))}")
        return self

    @property
    def symbols(self) -> tuple[str, ...]:
        """What is traded, in order, each once."""
        return tuple(sorted({strategy.symbol for strategy in self.strategies}))


def load_allocated(path: Path) -> AllocatedBacktest:
    """Read an allocation file.

    Raises:
        ConfigError: it cannot be read, or a parameter is unknown, absent or out of
            range; names file, line and parameter.
    """
    return read_model(path, AllocatedBacktest)


@dataclass(frozen=True, slots=True)
class AllocatedReport:
    """What a run came to; amounts in the capital's currency, ``digest`` over fills and decisions.

    ``success_rate`` is the share of the steals whose thief filled, None without a
    steal; ``max_drawdown`` the greatest fall of the equity, by closes of bars.
    """

    allocation: str
    venue: str
    first_day: date
    last_day: date
    snapshot: int
    bars: int
    fills: int
    entries: int
    steals: int
    victims: int
    success_rate: float | None
    outcomes: dict[str, int]
    blocks: dict[str, int]
    fights: int
    alerts: int
    capital: float
    final_value: float
    profit: float
    max_drawdown: float
    digest: str


def run_allocated_backtest(
    lake: Lake,
    file: AllocatedBacktest,
    days: Sequence[date],
    *,
    snapshot: int | None = None,
    run_id: str | None = None,
) -> AllocatedReport:
    """Run over the bars of ``days`` and replace the allocation's rows in ``allocation_events``.

    Raises:
        DataError: a symbol has no bars on these days, or a bar cannot be.
        ConfigError: the market calendar is unknown.
    """
    partition = f"{file.name}|{days[0]}..{days[-1]}"
    params = file.model_dump(mode="json")
    with recorded_run(lake, "allocate", partition, params, run_id=run_id, snapshot=snapshot) as run:
        bars = _bars(lake, file, days, run.snapshot)
        outcome = run_allocated(
            bars,
            {strategy.name: RestingDipStrategy(strategy) for strategy in file.strategies},
            file.allocation,
            file.execution,
            market_hours(file.allocation.calendar),
            capital=file.capital,
            quote=file.quote,
            fee_reserve_bps=file.fee_reserve_bps,
            stocks=file.stocks,
        )
        events = event_rows(file, outcome.audit.rows)
        lake.replace({"allocation": file.name}, {ALLOCATION_EVENTS: events})
    return _report(file, days, run.snapshot, bars, outcome, events)


def _bars(
    lake: Lake, file: AllocatedBacktest, days: Sequence[date], snapshot: int
) -> list[BarArrays]:
    interval_s = interval_seconds(file.interval)
    frame = read_bars(
        lake,
        file.venue,
        file.symbols,
        days[0],
        days[-1],
        interval_s=interval_s,
        snapshot=snapshot,
    )
    found = set(frame["symbol"])
    missing = [symbol for symbol in file.symbols if symbol not in found]
    if missing:
        raise DataError(
            f"there are no {file.interval} bars of {', '.join(missing)} of {file.venue} from "
            f"{days[0]} to {days[-1]}; see `arb ingest --help`",
            source="bars",
        )
    interval_ns = interval_s * NS_PER_S
    return [
        bar_arrays(frame, symbol, interval_ns=interval_ns, source="bars") for symbol in file.symbols
    ]


def event_rows(file: AllocatedBacktest, rows: Sequence[AuditRow]) -> pl.DataFrame:
    """Put the allocator's account into rows of ``allocation_events``."""
    return ALLOCATION_EVENTS.frame(
        [
            {
                "allocation": file.name,
                "venue": file.venue,
                "event_no": number,
                "ts": row.ts,
                "day": day_of(row.ts),
                "event": row.event,
                "why": row.why,
                **_order_columns(row),
                "victim_distance_pct": row.victim_distance_pct,
                "freed_cents": row.freed_cents,
            }
            for number, row in enumerate(rows)
        ]
    )


def _order_columns(row: AuditRow) -> dict[str, object]:
    order, victim = row.order, row.victim
    return {
        "order_id": order and order.order_id,
        "strategy": order and order.strategy,
        "symbol": order and order.symbol,
        "distance_pct": row.distance_pct,
        "cents": row.cents,
        "forecast_profit_cents": order and order.forecast_profit_cents,
        "victim_id": victim and victim.order_id,
        "victim_strategy": victim and victim.strategy,
        "victim_symbol": victim and victim.symbol,
    }


def _report(
    file: AllocatedBacktest,
    days: Sequence[date],
    snapshot: int,
    bars: Sequence[BarArrays],
    outcome: AllocatedOutcome,
    events: pl.DataFrame,
) -> AllocatedReport:
    audit = outcome.audit
    fills = pl.DataFrame([asdict(fill) for fill in outcome.fills])
    steps = np.diff(np.array([file.capital, *outcome.equity, outcome.final_value]))
    return AllocatedReport(
        allocation=file.name,
        venue=file.venue,
        first_day=days[0],
        last_day=days[-1],
        snapshot=snapshot,
        bars=sum(len(array) for array in bars),
        fills=len(outcome.fills),
        entries=audit.entries,
        steals=audit.steals,
        victims=audit.victims,
        success_rate=audit.success_rate,
        outcomes=_counts(audit.outcomes),
        blocks=_counts(audit.blocks),
        fights=audit.fights,
        alerts=len(audit.alerts),
        capital=file.capital,
        final_value=outcome.final_value,
        profit=math.fsum((outcome.final_value, -file.capital)),
        max_drawdown=max_drawdown(steps),
        digest=digest_of(events, fills),
    )


def _counts(counter: Mapping[str, int]) -> dict[str, int]:
    return {str(name): counter[name] for name in sorted(counter)}


def describe(report: AllocatedReport) -> dict[str, Any]:
    """Put a report into what JSON and a table can show."""
    return asdict(report) | {"first_day": str(report.first_day), "last_day": str(report.last_day)}

"""The market as it runs: values move, symbols are requoted, books come out in order.

Memory is bounded by a chunk of market time, whatever the length of the run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from arb_pipelines.clock import NS_PER_MS, NS_PER_S
from arb_pipelines.errors import ConfigError
from arb_pipelines.generator import kernel
from arb_pipelines.generator.arithmetic import POWERS_OF_TEN, shocks
from arb_pipelines.generator.parameters import (
    JUMP_LEAST,
    JUMP_SPAN,
    MARKET_VOLATILITY,
    Quoting,
    currency_parameters,
    quoting_parameters,
)
from arb_pipelines.generator.planted import Schedule
from arb_pipelines.generator.symbols import Listing

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Values move in steps of this length.
_STEP_NS = 100 * NS_PER_MS
_CHUNK_STEPS_MAX = 600
_CHUNK_UPDATES = 200_000
#: A day's recording begins with one state of every symbol, this far apart.
_OPENING_GAP_NS = 100_000

_PARAMETERS, _COURSE, _PLANTED = 1, 2, 3


@dataclass(frozen=True, slots=True)
class States:
    """Book states in order of receipt; shapes ``(n,)``, of the books ``(n, depth)``.

    ``symbol`` indexes the listing's symbols. Prices are quote per base, sizes
    base, each the float64 nearest to its decimal.
    """

    symbol: npt.NDArray[np.int32]
    ts_event: Ints
    ts_recv: Ints
    update_id: Ints
    bid_px: Floats
    bid_sz: Floats
    ask_px: Floats
    ask_sz: Floats

    def __len__(self) -> int:
        return len(self.ts_recv)


class MarketProcess:
    """One seeded market; ``run`` may be called for one span after another, prices continue."""

    def __init__(self, listing: Listing, seed: int, *, depth: int = 5) -> None:
        self.listing = listing
        self.depth = depth
        rng = _generator(seed, _PARAMETERS)
        self._currencies = currency_parameters(listing, rng)
        self.quoting: Quoting = quoting_parameters(listing, rng)
        self._course = _generator(seed, _COURSE)
        self.planted_rng = _generator(seed, _PLANTED)
        ratio = listing.value[listing.base] / listing.value[listing.quote]
        unit: Floats = POWERS_OF_TEN[listing.price_decimals]
        self._scale = kernel.Scale(ratio * unit, unit, listing.min_lots)
        self._lots_per_unit: Floats = POWERS_OF_TEN[listing.size_decimals]
        self._log_value = np.zeros(len(listing.currencies))
        self._shares = np.cumsum(self.quoting.activity)
        self._state = kernel.initial_state(0, len(listing.symbols), depth)

    def opening_ns(self) -> int:
        """How long the opening states of a span take."""
        return len(self.listing.symbols) * _OPENING_GAP_NS

    def run(
        self,
        start_ns: int,
        duration_ns: int,
        n_states: int,
        schedule: Schedule | None = None,
        *,
        chunk_updates: int = _CHUNK_UPDATES,
    ) -> Iterator[States]:
        """Give ``n_states`` states of one span, chunk by chunk, and those of ``schedule`` on top.

        The first state of every symbol comes first. ``schedule.seen_gross`` is
        filled as its dislocations appear. A chunk has about ``chunk_updates`` states; other
        chunks are another course of the market.

        Raises:
            ConfigError: not room for one state of every symbol.
        """
        opening = len(self.listing.symbols)
        if n_states < opening or duration_ns < 2 * self.opening_ns():
            raise ConfigError(
                f"{n_states} states in {duration_ns / NS_PER_S:g} s do not hold one state "
                f"of each of {opening} symbols; ask for more"
            )
        plants = _plants(schedule)
        yield self._states(self._opening(start_ns), plants)
        begin, length = start_ns + self.opening_ns(), duration_ns - self.opening_ns()
        wanted = n_states - opening
        steps = -(-length // _STEP_NS)
        chunk = int(np.clip(chunk_updates * steps // max(wanted, 1), 1, _CHUNK_STEPS_MAX))
        done = 0
        for first in range(0, steps, chunk):
            span = (first * _STEP_NS, min((first + chunk) * _STEP_NS, length))
            n = wanted * span[1] // length - done
            done += n
            updates = self._updates(begin + span[0], begin + span[1], n, schedule)
            if len(updates.ts_ns):
                yield self._states(updates, plants)

    def _opening(self, start_ns: int) -> kernel.Updates:
        n = len(self.listing.symbols)
        fair = self._log_value[self.listing.base] - self._log_value[self.listing.quote]
        return self._drawn(
            self._course,
            start_ns + _OPENING_GAP_NS * np.arange(n),
            np.arange(n),
            np.full(n, kernel.FORCED),
            np.zeros(n, np.int64),
            fair,
        )

    def _updates(
        self, begin_ns: int, end_ns: int, n: int, schedule: Schedule | None
    ) -> kernel.Updates:
        """Draw the updates of one chunk: Poisson arrivals, given their number."""
        rng = self._course
        values = self._advance_values(-(-(end_ns - begin_ns) // _STEP_NS))
        ts_ns = np.sort(rng.integers(begin_ns, end_ns, n))
        symbol = np.searchsorted(self._shares, rng.random(n), side="right")
        symbol = np.minimum(symbol, len(self._shares) - 1)  # the shares' sum may end below 1
        updates = self._drawn(
            rng, ts_ns, symbol, np.zeros(n, np.int64), np.zeros(n, np.int64),
            self._fair(values, begin_ns, ts_ns, symbol),
        )  # fmt: skip
        if schedule is None:
            return updates
        ts_ns, symbol, kind, plant = schedule.updates(begin_ns, end_ns)
        fair = self._fair(values, begin_ns, ts_ns, symbol)
        # Drawn apart, so that planting leaves the rest of the market as it was.
        planted = self._drawn(self.planted_rng, ts_ns, symbol, kind, plant, fair)
        merged = [np.concatenate(pair) for pair in zip(updates, planted, strict=True)]
        order = np.argsort(merged[0], kind="stable")
        return kernel.Updates(*(column[order] for column in merged))

    def _advance_values(self, steps: int) -> Floats:
        """Log-values of all currencies, relative to the start; shape ``(steps, currencies)``."""
        rng, own = self._course, self._currencies
        step_s = _STEP_NS / NS_PER_S
        market = MARKET_VOLATILITY * np.sqrt(step_s) * shocks(rng, (steps,))
        moves = shocks(rng, (steps, len(self._log_value))) * (own.own_volatility * np.sqrt(step_s))
        moves += market[:, None] * own.market_share
        drawn = rng.random(moves.shape)
        jumps = np.nonzero(drawn < own.jump_rate * step_s)
        size = JUMP_LEAST + JUMP_SPAN * rng.random(len(jumps[0]))
        moves[jumps] += np.where(rng.random(len(jumps[0])) < 0.5, -size, size)
        moves[0] += self._log_value
        values = np.cumsum(moves, axis=0)
        self._log_value = values[-1]
        return values

    def _fair(self, values: Floats, begin_ns: int, ts_ns: Ints, symbol: Ints) -> Floats:
        step = (ts_ns - begin_ns) // _STEP_NS
        fair: Floats = (
            values[step, self.listing.base[symbol]] - values[step, self.listing.quote[symbol]]
        )
        return fair

    def _drawn(
        self,
        rng: np.random.Generator,
        ts_ns: Ints,
        symbol: Ints,
        kind: Ints,
        plant: Ints,
        fair: Floats,
    ) -> kernel.Updates:
        n = len(ts_ns)
        uniforms = rng.random((n, kernel.uniforms_an_update(self.depth)))
        return kernel.Updates(ts_ns, symbol, kind, plant, fair, shocks(rng, (n,)), uniforms)

    def _states(self, updates: kernel.Updates, plants: kernel.Plants) -> States:
        output = kernel.empty_output(len(updates.ts_ns), self.depth)
        kernel.run(updates, self.quoting, self._scale, plants, self._state, output)
        ticks = self._scale.ticks_per_unit[updates.symbol][:, None]
        lots = self._lots_per_unit[updates.symbol][:, None]
        return States(
            symbol=updates.symbol.astype(np.int32),
            ts_event=output.ts_event,
            ts_recv=updates.ts_ns,
            update_id=output.update_id,
            # Divisions by powers of ten: each gives the float64 nearest to the decimal.
            bid_px=output.bid_ticks / ticks,
            bid_sz=output.bid_lots / lots,
            ask_px=output.ask_ticks / ticks,
            ask_sz=output.ask_lots / lots,
        )


def _generator(seed: int, stream: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, stream])))


def _plants(schedule: Schedule | None) -> kernel.Plants:
    if schedule is None:
        none = np.zeros((0, 3), np.int64)
        return kernel.Plants(none, none, none[:, 0], 0.0, np.zeros(0))
    return kernel.Plants(
        schedule.leg_symbol, schedule.leg_side, schedule.moved, schedule.gross, schedule.seen_gross
    )

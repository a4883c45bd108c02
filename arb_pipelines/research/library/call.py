"""``execute_cycle``: one cycle by an exchange object of ccxt, as safely as a strategy's."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from pydantic import ValidationError

from arb_pipelines.errors import ConfigError, Rejected, Unfunded
from arb_pipelines.execution.limits import KILL_FILE
from arb_pipelines.execution.locks import account_held
from arb_pipelines.execution.orders.amounts import order_spending
from arb_pipelines.execution.recovery.finishing import Books
from arb_pipelines.execution.recovery.values import Recovered
from arb_pipelines.execution.single_cycle import NotPlanned, Plan, carry_out, price_plan
from arb_pipelines.execution.state.files import account_name
from arb_pipelines.execution.state.values import NewCycle
from arb_pipelines.execution.switches import Permission, permission
from arb_pipelines.market.exact import PricedLeg
from arb_pipelines.research.library.arguments import CycleGiven, exact_amount, read_cycle
from arb_pipelines.research.library.results import CycleResult, refused, simulated, told
from arb_pipelines.research.session_recovery import account_engine, recover_account
from arb_pipelines.research.session_state import account_states
from arb_pipelines.settings import Settings, load_settings
from arb_pipelines.trading.panic_rules import PanicRules
from arb_pipelines.trading.parameters import FixedAmount, Strategy, Universe
from arb_pipelines.trading.session_rules import SessionRules, TradingMode
from arb_pipelines.venues.ccxt_any.connection import CcxtConnection
from arb_pipelines.venues.ccxt_any.given import around, expect_async, is_local
from arb_pipelines.venues.tasks import worst_error

#: The name of strategy, session and holder of what is carried out by a call.
NAME = "execute-cycle"
#: What ``state`` says where nothing is to be kept.
TEMPORARY = "temporary"


async def execute_cycle(
    exchange: Any,
    cycle: CycleGiven,
    initial_amount: Decimal | int | str,
    is_dry_run: bool = False,
    *,
    mode: Literal["paper", "live"] = "paper",
    orders: Literal["market", "ioc"] = "market",
    max_slippage_bps: float | Decimal = 50,
    panic_sell: bool | Sequence[str] = True,
    state: Path | str | None = None,
) -> CycleResult:
    """Carry out one cycle, and give what came of it; see ``docs/library.md``.

    ``exchange`` is an object of ccxt.pro or ccxt.async_support with a key; it is neither
    changed nor closed. ``cycle`` is currencies in order, ``["USDT", "ETH", "BTC"]``, or legs,
    ``[("ETH/USDT", "buy"), ...]``; ``initial_amount`` is in the currency that it starts in.

    Orders leave where every address of the exchange is of this machine, or where ``mode`` is
    ``live`` and the environment has ``ARB_ALLOW_LIVE=yes``, and never in a dry run. Else each
    order is tested, where ccxt can have that done, and the books say what it would have given.

    ``max_slippage_bps`` bounds what each leg needs of its book, against its best price;
    ``orders`` are at market or immediate-or-cancel at the worst level that the leg needs.
    ``panic_sell`` says what becomes of a cycle that falls short: it is sold for the start
    currency, else a stable one; for the currencies named; or, if false, left. ``state`` is the
    folder of the state files, ``<ARB_HOME>/state`` by default, or ``temporary``.

    Raises:
        ConfigError: an argument, a setting or a switch does not do, a kill switch file is there,
            or the account is traded on by somebody else; nothing was sent.
        VenueError: the exchange does not answer, or turns us away. What is open then, as after
            a cancellation, is in the state, and recovered by the next call.
    """
    amount, settings = exact_amount(initial_amount), load_settings()
    expect_async(exchange)
    allowed = _permission(exchange, mode, is_dry_run, settings)
    async with around(exchange) as connection:
        markets = {market.symbol: market for market in connection.markets}
        start, legs = read_cycle(cycle, markets)
        strategy = _strategy(connection, start, amount, mode, orders, max_slippage_bps, panic_sell)
        bound = Decimal(str(strategy.max_slippage_bps))
        plan = Plan(start, amount, legs, orders, bound)
        if not allowed.places_orders:
            return await _tried(connection, plan)
        async with _in_service(connection):
            with _folder(state) as folder:
                return await _placed(settings, connection, strategy, plan, folder)


async def _placed(
    settings: Settings,
    connection: CcxtConnection,
    strategy: Strategy,
    plan: Plan,
    folder: Path | None,
) -> CycleResult:
    locks, venue = settings.sessions / "locks", connection.venue
    with account_held(locks, venue, connection.account_id, NAME):
        async with account_states(settings, connection, NAME, folder) as states:
            store = states.of(places_orders=True)
            engine, _ = account_engine(settings, store, connection, [strategy])
            before: Sequence[Recovered] = ()
            if store.open_cycles():
                before = (await recover_account(settings, engine)).cycles
            books = Books(engine.snapshot)
            priced = await price_plan(books, plan, engine.markets, engine.fees)
            if isinstance(priced, NotPlanned):
                return refused(plan, priced.why, before)
            new = NewCycle(
                id=f"{store.new_prefix(secrets.token_hex(8))}1",
                strategy=NAME,
                session=NAME,
                start=plan.start,
                legs=plan.legs,
                initial=plan.amount,
                metadata={"account": account_name(connection.account_id)},
            )
            await carry_out(engine, plan, new, priced[0])
            stored = store.cycle(new.id)
            why = stored.error or store.transitions(new.id)[-1].why
            return told(stored, store.orders(new.id), why, before)


async def _tried(connection: CcxtConnection, plan: Plan) -> CycleResult:
    """Have each leg's order tested, and say what the books give."""
    markets = {market.symbol: market for market in connection.markets}
    books = Books(connection.snapshot)
    priced = await price_plan(books, plan, markets, connection.fees)
    if isinstance(priced, NotPlanned):
        return refused(plan, priced.why)
    if connection.checks_orders:
        try:
            await _test(connection, plan, priced)
        except Rejected as no:
            return refused(plan, str(no))
    return simulated(plan, priced, markets)


async def _test(connection: CcxtConnection, plan: Plan, priced: Sequence[PricedLeg]) -> None:
    """Have the exchange look at the orders; that it has no money for one is no objection.

    Raises:
        Rejected: it would not take one.
    """
    markets = {market.symbol: market for market in connection.markets}
    entry, name = connection.entry("rest"), secrets.token_hex(6)
    for number, leg in enumerate(priced):
        limit = leg.limit_price if plan.orders == "ioc" else None
        fee = connection.fees[leg.symbol]
        in_hand = leg.spent + leg.dust
        new = order_spending(
            f"{name}-1-{number}", markets[leg.symbol], leg.side, in_hand, fee, limit
        )
        if new is None:
            raise Rejected(f"{leg.symbol}: {in_hand:f} is too little for an order")
        with suppress(Unfunded):
            await entry.test(new)


def _permission(exchange: Any, mode: str, is_dry_run: bool, settings: Settings) -> Permission:
    """Decide whether orders leave.

    Raises:
        ConfigError: ``mode`` is no mode, a switch is missing, or a kill switch file is there.
    """
    if mode not in tuple(TradingMode):
        raise ConfigError(f"{mode!r} is none; say paper or live", source="mode")
    found = settings.root / KILL_FILE
    if found.exists():
        raise ConfigError(
            "is there, so no cycle begins; remove it first (arb kill --lift)", source=str(found)
        )
    said = TradingMode(mode)
    return permission(
        local=is_local(exchange),
        strategy=said,
        asked=None if is_dry_run else said,
        allowed=settings.allow_live == "yes",
        dry_run=is_dry_run,
    )


def _strategy(
    connection: CcxtConnection,
    start: str,
    amount: Decimal,
    mode: str,
    orders: Literal["market", "ioc"],
    max_slippage_bps: float | Decimal,
    panic_sell: bool | Sequence[str],
) -> Strategy:
    """Say in a strategy's words how the cycle goes, and what becomes of one that falls short.

    Raises:
        ConfigError: an option does not do.
    """
    stable = PanicRules().base_currencies
    bases = (start, *(name for name in stable if name != start))
    if not isinstance(panic_sell, bool):
        bases = (panic_sell,) if isinstance(panic_sell, str) else tuple(panic_sell)
    if orders not in ("market", "ioc"):
        raise ConfigError(f"{orders!r} is none; say market or ioc", source="orders")
    try:
        return Strategy(
            name=NAME,
            exchange=connection.venue,
            universe=Universe(start=(start,)),
            min_profit_bps=0.0,
            max_slippage_bps=float(max_slippage_bps),
            capital_allocation=FixedAmount(mode="fixed_amount", amount=float(amount)),
            mode=TradingMode(mode),
            session=SessionRules(orders=orders),
            panic_sell=PanicRules(enabled=panic_sell is not False, base_currencies=bases),
        )
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        source = "panic_sell" if name == "base_currencies" else name
        raise ConfigError(first["msg"], source=source) from None


@asynccontextmanager
async def _in_service(connection: CcxtConnection) -> AsyncIterator[None]:
    """Have a connection follow the account within the block; the block's error is told as it is."""
    with worst_error():
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(connection.run())
            await connection.ready()
            try:
                yield
            finally:
                serving.cancel()


@contextmanager
def _folder(state: Path | str | None) -> Iterator[Path | None]:
    """Give the folder of the state files; ``None`` for the settings' own."""
    if state == TEMPORARY:
        with TemporaryDirectory(prefix="arb-state-") as folder:
            yield Path(folder)
        return
    yield None if state is None else Path(state).expanduser().absolute()

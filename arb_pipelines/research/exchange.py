"""A local exchange put together: books, listing, account, server."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from arb_pipelines.errors import ConfigError
from arb_pipelines.exchange.engine.exchange import Exchange
from arb_pipelines.exchange.engine.symbols import FeeSchedule
from arb_pipelines.exchange.server.app import HOST, serve
from arb_pipelines.exchange.server.listing import listed_symbol
from arb_pipelines.exchange.server.playing import Player
from arb_pipelines.exchange.server.signing import Credentials
from arb_pipelines.exchange.server.tls import self_signed
from arb_pipelines.exchange.server.venue import Venue
from arb_pipelines.exchange.state import StateFile
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.exchange_books import Books, open_books
from arb_pipelines.research.session_process import on_loop
from arb_pipelines.settings import load_settings

_USER = "local"
_BALANCE = re.compile(r"([A-Z0-9]+)=(\d{1,15}(?:\.\d{1,18})?)")


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line asked for; see ``arb exchange --help``."""

    port: int
    books: str
    symbols: int | None
    speed: float
    seed: int
    account: str | None
    balance: str
    fee_bps: float
    kcs_fees: bool
    state: Path | None
    tls: bool


def run_exchange(asked: Asked, announce: Callable[[dict[str, object]], None]) -> None:
    """Serve until SIGTERM; ``announce`` is told where and how once it answers.

    Raises:
        ConfigError: account, balance, books or port cannot be used.
        DataError: the books cannot be read.
    """
    owner, balances = parse_account(asked.account), parse_balances(asked.balance)
    books = open_books(asked.books, Lake(load_settings()), n_symbols=asked.symbols, seed=asked.seed)
    with opened_state(asked.state) as state:
        _serve(asked, owner, balances, books, state, announce)


def _serve(
    asked: Asked,
    owner: Credentials,
    balances: Mapping[str, Decimal],
    books: Books,
    state: StateFile | None,
    announce: Callable[[dict[str, object]], None],
) -> None:
    listed = [listed_symbol(market) for market in books.markets]
    rate = Decimal(repr(asked.fee_bps)) / 10_000
    kept = state.load() if state else None
    exchange = Exchange(
        listed, FeeSchedule(rate, rate, in_kcs=asked.kcs_fees), kept=kept, journal=state
    )
    if _USER not in exchange.users():
        exchange.open_account(_USER, balances)
    venue = Venue(exchange, [owner], seed=asked.seed)
    certificate = self_signed() if asked.tls else None
    secure = "s" if certificate else ""

    def ready(port: int) -> None:
        trust = {"certificate": certificate.pem} if certificate else {}
        announce(
            trust
            | {
                "rest": f"http{secure}://{HOST}:{port}",
                "ws": f"ws{secure}://{HOST}:{port}",
                "admin": f"http{secure}://{HOST}:{port}/admin",
                "key": owner.key,
                "secret": owner.secret,
                "passphrase": owner.passphrase,
                "symbols": list(venue.symbols),
            }
        )

    async def main() -> None:
        player = Player(venue, books.batches, asked.speed)
        await serve(
            venue,
            player,
            port=asked.port,
            ready=ready,
            tls=certificate.context if certificate else None,
        )

    on_loop(main())


@contextmanager
def opened_state(path: Path | None) -> Iterator[StateFile | None]:
    """Hold the state file within the block; nothing without ``path``.

    Raises:
        ConfigError: it is no such file, or another exchange holds it.
    """
    if path is None:
        yield None
        return
    state = StateFile(path)
    try:
        yield state
    finally:
        state.close()


def parse_account(text: str | None) -> Credentials:
    """Read ``KEY:SECRET:PASSPHRASE``, or make them up.

    Raises:
        ConfigError: it is not that.
    """
    if text is None:
        return Credentials(
            secrets.token_hex(12), secrets.token_urlsafe(24), secrets.token_hex(8), _USER
        )
    parts = text.split(":")
    if len(parts) != 3 or not all(parts):
        raise ConfigError("give KEY:SECRET:PASSPHRASE, none of them empty", source="--account")
    key, secret, passphrase = parts
    return Credentials(key, secret, passphrase, _USER)


def parse_balances(text: str) -> Mapping[str, Decimal]:
    """Read ``USDT=10000,BTC=1``.

    Raises:
        ConfigError: it is not that.
    """
    balances: dict[str, Decimal] = {}
    for part in filter(None, text.split(",")):
        match = _BALANCE.fullmatch(part.strip())
        if match is None:
            raise ConfigError(f"{part!r} is no balance; write CURRENCY=AMOUNT", source="--balance")
        balances[match[1]] = Decimal(match[2])
    return balances

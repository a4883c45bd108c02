"""Signals that a session takes over its socket: one cycle begun when the harness says so."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.torture.venue import VenueClient

SOCKET = "control.sock"
#: Currencies of the account; a cycle through X is USDT > BTC > X > USDT and earns about 5 %.
MIDDLES = ("ETH", "SOL", "XRP")
#: Bid, ask and size of each symbol that the cycles trade.
BOOKS: Mapping[str, tuple[str, str, str]] = {
    "BTC-USDT": ("49990", "50000", "30"),
    "ETH-BTC": ("0.0499", "0.05", "600"),
    "ETH-USDT": ("2630", "2631", "600"),
    "SOL-BTC": ("0.00199", "0.002", "9000"),
    "SOL-USDT": ("105.2", "105.3", "9000"),
    "XRP-BTC": ("0.0000099", "0.00001", "900000"),
    "XRP-USDT": ("0.5262", "0.5263", "900000"),
}


def legs_through(middle: str) -> tuple[tuple[str, str], ...]:
    """Give symbols and sides of the cycle through a currency."""
    return (("BTC-USDT", "buy"), (f"{middle}-BTC", "buy"), (f"{middle}-USDT", "sell"))


def signal(client: VenueClient, middle: str, name: str, volume: str) -> dict[str, Any]:
    """Make a signal for the cycle through a currency, good now, at the books as shown."""
    now_ms = time.time() * 1e3
    legs = legs_through(middle)
    return {
        "correlation_id": name,
        "triangle_key": [pair for pair, _ in legs],
        "legs": [_leg(client.listed(pair), side) for pair, side in legs],
        "books": [
            {"bids": [[bid, size]], "asks": [[ask, size]]}
            for bid, ask, size in (BOOKS[pair] for pair, _ in legs)
        ],
        "starting_volume": volume,
        "predicted_bps": "480",
        "primary_quote": "USDT",
        "live": False,
        "book_ts_ms": now_ms,
        "t_sock_arrive_ms": now_ms,
        "t_arrive_ms": now_ms,
        "t_eval_ms": now_ms,
        "ts_ms": now_ms,
    }


def _leg(listed: Mapping[str, Any], side: str) -> dict[str, str]:
    return {
        "pair": listed["symbol"],
        "side": side,
        "order_param": "funds" if side == "buy" else "size",
        "base_min_size": listed["baseMinSize"],
        "base_increment": listed["baseIncrement"],
        "quote_increment": listed["quoteIncrement"],
        "fee_rate": "0.001",
        "fee_currency": listed["quoteCurrency"],
    }


@dataclass(slots=True)
class Peer:
    """A client of a session's socket that hears of reports; it may be cut off at any moment."""

    connection: socket.socket
    _heard: bytes = b""

    def say(self, document: Any) -> None:
        """Send a line; nothing if nobody is there any more."""
        try:
            self.connection.sendall(json.dumps(document).encode() + b"\n")
        except OSError:
            return

    def hear(self, within_s: float) -> list[dict[str, Any]]:
        """Give the lines told within a time: those of the first moment at which there are any."""
        self.connection.settimeout(max(within_s, 1e-3))
        try:
            heard = self.connection.recv(1 << 16)
        except OSError:  # nothing within the time, or its process is dead
            return []
        *lines, self._heard = (self._heard + heard).split(b"\n")
        return [json.loads(line) for line in lines]

    def close(self) -> None:
        """Hang up."""
        self.connection.close()


def connect(sessions: Path) -> Peer | None:
    """Connect to the session that runs in a home; ``None`` if none listens yet."""
    for link in sorted(sessions.glob(f"*/{SOCKET}"), reverse=True):
        path = os.fsdecode(link.readlink()) if link.is_symlink() else str(link)
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(path)
        except OSError:
            connection.close()
            continue
        return Peer(connection)
    return None


def show_books(client: VenueClient, only: Sequence[str]) -> None:
    """Show the books anew, so that nothing of them is taken."""
    for symbol in only:
        client.show(symbol, *BOOKS[symbol])

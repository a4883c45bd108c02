"""An exchange with a state file that prints each order it acknowledged, until it is killed."""

from __future__ import annotations

import sys
from pathlib import Path

from arb_pipelines.exchange.engine.exchange import Exchange
from arb_pipelines.exchange.engine.orders import Side
from arb_pipelines.exchange.state import StateFile
from tests.fakes.exchange import BTC, D, levels, limit, listed, market, received


def main(path: Path) -> None:
    """Trade on ``path`` for ever: one order filled by the feed, one that rests, in turn."""
    state = StateFile(path)
    venue = Exchange([listed()], kept=state.load(), journal=state)
    if "ann" not in venue.users():
        venue.open_account("ann", {"USDT": D(10**9), "BTC": D(10**6)})
    now_ns = venue.kept().orders_seen
    while True:
        now_ns += 1
        venue.show(BTC, [], levels(("100", str(now_ns))), now_ns)
        request = market(Side.BUY, size="0.1") if now_ns % 3 else limit(Side.BUY, "50", "0.1")
        events = venue.place("ann", request, now_ns)
        order = venue.order("ann", order_id=received(events).id)
        assert order is not None
        sys.stdout.write(f"{order.id} {order.deal_size} {order.active}\n")
        sys.stdout.flush()
        if len(venue.active_orders("ann")) > 50:
            venue.cancel_all("ann", now_ns=now_ns)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

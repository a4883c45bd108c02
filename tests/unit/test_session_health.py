"""What a session's heartbeat says is wrong."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from arb_pipelines.research.session_listeners import Listeners


def test_a_symbol_without_a_book_is_told() -> None:
    """The session goes on without it, so a person has to read of it."""
    feed: Any = SimpleNamespace(refused={})
    well: Any = SimpleNamespace(late_fills=0, trouble=None, health=lambda: {"account": None})
    heard = Listeners(well, well, well, well, feed, well)
    assert set(heard.health().values()) == {None}
    feed.refused["LUNA-USDT"] = "code 400100 not supported"
    found = {name: what for name, what in heard.health().items() if what is not None}
    assert found == {"symbols": "no book of LUNA-USDT: code 400100 not supported"}

"""Sessions that nobody has to ask for: a strategy's trading window opens, and asks."""

from __future__ import annotations

from arb_pipelines.clock import NS_PER_S, day_of, window_at
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.request_folder import drop_request, requests_folder
from arb_pipelines.research.session_requests import new_request, session_key
from arb_pipelines.research.strategies import find_strategy_file, load_strategies

_MINUTE_NS = 60 * NS_PER_S


def ask_for_open_windows(lake: Lake, now_ns: int) -> list[str]:
    """Drop a request, once a window, for each strategy whose window is open; say who has to wait.

    One waits until the day's universe of its venue is in the lake. A session of a window
    that was stopped, failed or rejected is not asked for again.

    Raises:
        ConfigError: a strategy's file cannot be used by a session.
    """
    waits = []
    strategies, _ = load_strategies(lake.settings.strategies)
    for name, strategy in strategies.items():
        window = strategy.session.window
        if window is None:
            continue
        hours = window_at(now_ns, window.open, window.close, window.zone)
        if hours is None or _known(lake, key := session_key(name, strategy.exchange, hours[0])):
            continue
        if not _has_universe(lake, strategy.exchange, now_ns):
            waits.append(f"{key} waits for the universe of {strategy.exchange} of today")
            continue
        file = find_strategy_file(lake.settings.strategies, name)
        minutes = (hours[1] - now_ns) / _MINUTE_NS
        drop_request(lake.settings, new_request(lake.settings, str(file), minutes=minutes, key=key))
    return waits


def _known(lake: Lake, key: str) -> bool:
    waiting = requests_folder(lake.settings)
    places = (
        lake.settings.sessions / key,
        waiting / f"{key}.yaml",
        waiting / "rejected" / f"{key}.yaml",
    )
    return any(place.exists() for place in places)


def _has_universe(lake: Lake, venue: str, now_ns: int) -> bool:
    found = lake.query(
        "SELECT 1 FROM cycles WHERE venue = ? AND day = ? LIMIT 1", [venue, day_of(now_ns)]
    )
    return not found.is_empty()

"""What the heartbeats of sessions tell, whatever happens to the clock."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from arb_pipelines.clock import NS_PER_S
from arb_pipelines.research.session_folders import active_sessions, heartbeats, lost_sessions
from arb_pipelines.settings import Settings, load_settings

KEY = "alpha-kucoin-20260105T093000Z"
HEARD_NS = 1_000_000 * NS_PER_S


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A home in which one session was heard of."""
    settings = load_settings(home=tmp_path)
    folder = settings.sessions / KEY
    folder.mkdir(parents=True)
    document = {"ts_ns": HEARD_NS, "pid": 7, "state": "running"}
    (folder / "heartbeat.json").write_bytes(orjson.dumps(document))
    return settings


@pytest.mark.parametrize("later_s", [16, 3_600, -16, -3_600])
def test_a_session_that_is_not_heard_of_is_lost_though_the_clock_was_set_back(
    settings: Settings, later_s: int
) -> None:
    """A heartbeat from the future is nobody's who lives."""
    now_ns = HEARD_NS + later_s * NS_PER_S
    assert active_sessions(settings, now_ns) == []
    assert lost_sessions(settings, now_ns, ()) == [*heartbeats(settings).values()]


@pytest.mark.parametrize("later_s", [0, 4, 14, -4, -14])
def test_a_session_whose_run_is_over_has_less_time(settings: Settings, later_s: int) -> None:
    """It is lost after 3 s; before its run is over it has 15 s."""
    now_ns = HEARD_NS + later_s * NS_PER_S
    assert active_sessions(settings, now_ns) == [KEY]
    assert lost_sessions(settings, now_ns, ()) == []
    assert [beat.key for beat in lost_sessions(settings, now_ns, [KEY])] == (
        [KEY] if abs(later_s) > 3 else []
    )

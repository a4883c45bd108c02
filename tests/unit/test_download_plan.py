"""What is downloaded, under which names, and how long one waits to try again."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime

import pytest

from arb_pipelines.errors import ConfigError
from arb_pipelines.lake.markets import store_markets
from arb_pipelines.lake.store import Lake
from arb_pipelines.market.symbols import Market
from arb_pipelines.research.download import plan_downloads, universe_symbols
from arb_pipelines.venues.retry import Patience
from arb_pipelines.venues.tardis.fetch import _retry_after_s
from arb_pipelines.venues.tardis.files import DataFile

DAY = date(2024, 3, 1)


@pytest.mark.parametrize(
    ("symbol", "address", "name"),
    [
        ("btcusdt", "BTCUSDT.csv.gz", "BTCUSDT.csv.gz"),
        ("XBT/USD", "XBT-USD.csv.gz", "XBT-USD.csv.gz"),
        ("A:B", "A-B.csv.gz", "A-B.csv.gz"),
        ("../币", "..-%E5%B8%81.csv.gz", "..-币.csv.gz"),
    ],
)
def test_names_of_a_file(symbol, address, name):
    """Symbols are upper case, slash and colon are hyphens, and nothing leaves the folder."""
    file = DataFile("kraken", "book_snapshot_5", DAY, symbol)
    assert file.url_path == f"kraken/book_snapshot_5/2024/03/01/{address}"
    assert file.name == f"kraken_book_snapshot_5_2024-03-01_{name}"


def test_plan_lists_each_file_once():
    """Days outside, symbols inside, repeats left out."""
    files = plan_downloads("k", "quotes", ["A", "B", "a"], [DAY, DAY + timedelta(1)])
    assert [(file.day.day, file.symbol) for file in files] == [
        (1, "a"),
        (1, "B"),
        (2, "a"),
        (2, "B"),
    ]


@pytest.mark.parametrize(("data_type", "symbols"), [("trades", ["A"]), ("quotes", [])])
def test_a_plan_that_cannot_be(data_type, symbols):
    """Types that no reader reads and empty lists are refused before anything is asked for."""
    with pytest.raises(ConfigError):
        plan_downloads("k", data_type, symbols, [DAY])


def test_universe_is_the_venues_own_names(lake: Lake):
    """The day's list, or where there is none yet the newest; without any list, what to do."""
    with pytest.raises(ConfigError, match="no markets of kraken"):
        universe_symbols(lake, "kraken", DAY)
    market = Market("kraken", "BTC-USD", "BTC", "USD", "XBT/USD")
    store_markets(lake, "kraken", DAY, [market], list_day=DAY)
    for day in (DAY - timedelta(30), DAY, DAY + timedelta(30)):
        assert universe_symbols(lake, "kraken", day) == ["XBT/USD"]


def test_patience_doubles_and_honours_what_was_asked():
    """Pauses grow to their limit; a longer wish is granted, one beyond the limit ends it."""
    patience = Patience(attempts=5, first_wait_s=1, longest_wait_s=6)
    for attempt, longest in ((1, 1), (2, 2), (3, 4), (4, 6)):
        assert longest / 2 <= patience.wait_s(attempt, None) <= longest
    assert patience.wait_s(1, 5.0) == 5.0
    assert not patience.is_over(4, 6.0)
    assert patience.is_over(5, None)
    assert patience.is_over(1, 6.5)


def test_retry_after_is_seconds_or_a_date():
    """Both forms of the header are read; nonsense is no wish."""
    assert _retry_after_s("7") == 7.0
    assert _retry_after_s(None) is None
    assert _retry_after_s("soon") is None
    then = datetime.now(UTC) + timedelta(seconds=90)
    wished = _retry_after_s(format_datetime(then, usegmt=True))
    assert wished is not None
    assert 80 < wished <= 90
    for past in ("Wed, 21 Oct 2015 07:28:00 GMT", "Wed, 21 Oct 2015 07:28:00 -0000"):
        assert _retry_after_s(past) == 0.0

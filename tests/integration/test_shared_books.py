"""Books that processes share: written once, mapped read-only, and a trial's result unchanged."""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from arb_pipelines.backtest import kernel
from arb_pipelines.backtest.scenario import Books
from arb_pipelines.errors import ArbError, ConfigError, DataError
from arb_pipelines.lake.books import iter_levels, read_levels
from arb_pipelines.lake.markets import load_markets, store_markets
from arb_pipelines.lake.store import Lake
from arb_pipelines.optimize import shared_books
from arb_pipelines.optimize.shared_books import (
    BookFile,
    books_version,
    folder_of,
    make_room,
    map_books,
    share_books,
)
from arb_pipelines.optimize.targets.fields import UnknownParameter
from arb_pipelines.optimize.targets.triangle import TriangleTarget
from arb_pipelines.research.backtests import run_backtest
from arb_pipelines.settings import load_settings
from arb_pipelines.trading.parameters import Strategy
from tests.fakes.backtest_worlds import DAY, random_world, store_world

DAYS = (DAY, DAY + timedelta(1))


@pytest.fixture
def traded(lake: Lake) -> tuple[Lake, Strategy, tuple[str, ...]]:
    """Two days of books in which much happens, a strategy, and its symbols."""
    world = random_world(4, depth=3)
    store_markets(lake, "demo", DAY, world.markets, list_day=DAY)
    for number, day in enumerate(DAYS):
        store_world(lake, random_world(4, depth=3, updates=300 + 50 * number), day)
    return lake, world.strategy, world.scenario.cycles.symbols


def _share(traded: tuple[Lake, Strategy, tuple[str, ...]], day: int = 0) -> BookFile:
    lake, strategy, symbols = traded
    return share_books(lake, strategy.exchange, DAYS[day], symbols, snapshot=lake.snapshot())


def test_mapped_books_are_the_lakes(
    traded: tuple[Lake, Strategy, tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every value of every column, in parts of any size; and nobody can write to them."""
    lake, strategy, symbols = traded
    whole = read_levels(lake, strategy.exchange, DAY, symbols)
    monkeypatch.setattr(shared_books, "_PART_ROWS", 70)
    parts = map_books(_share(traded))
    assert len(parts) > 3
    for name in Books._fields:
        joined = np.concatenate([getattr(part, name) for part in parts])
        expected = getattr(whole, name)
        assert joined.tobytes() == expected.tobytes()
        assert joined.shape == expected.shape
        with pytest.raises(ValueError, match="read-only"):
            getattr(parts[0], name)[0] = 1
        with pytest.raises(ValueError, match="cannot set WRITEABLE"):
            getattr(parts[0], name).flags.writeable = True


def test_a_file_is_written_once_by_many(
    traded: tuple[Lake, Strategy, tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that ask at the same time, and later, get the same file; one wrote it."""
    written = []
    write = shared_books._write
    monkeypatch.setattr(
        shared_books, "_write", lambda *given: (written.append(1), write(*given))[1]
    )
    with ThreadPoolExecutor(4) as pool:
        files = list(pool.map(lambda _: _share(traded), range(8)))
    assert len({file.path for file in files}) == 1
    assert written == [1]


def test_replaced_books_are_another_file(traded: tuple[Lake, Strategy, tuple[str, ...]]) -> None:
    """The file follows the content: other rows, other days and other symbols have their own."""
    lake, _, symbols = traded
    before = lake.snapshot()
    version = books_version(lake, "demo", DAY, snapshot=before)
    first = _share(traded)
    store_world(lake, random_world(5, depth=3), DAYS[1])
    assert books_version(lake, "demo", DAY, snapshot=lake.snapshot()) == version
    assert _share(traded) == first
    store_world(lake, random_world(4, depth=3, updates=300), DAY)
    assert _share(traded).path != first.path
    assert share_books(lake, "demo", DAY, symbols, snapshot=before) == first
    assert share_books(lake, "demo", DAY, symbols[:3], snapshot=before).path != first.path


def test_a_lake_made_anew_is_not_served_the_books_of_the_old_one(lake: Lake) -> None:
    """The same rows and snapshot numbers at the same place, the cache left there: another file."""
    world = random_world(4, depth=3)
    files = []
    for _ in range(2):
        shutil.rmtree(lake.root / "lake", ignore_errors=True)
        (lake.root / "catalog.sqlite").unlink(missing_ok=True)
        anew = Lake(lake.settings)
        store_world(anew, world, DAY)
        symbols = world.scenario.cycles.symbols
        files.append(share_books(anew, "demo", DAY, symbols, snapshot=anew.snapshot()))
    first, second = files
    assert first.path.exists()
    assert first.path != second.path


def _mapped_by(file: BookFile) -> tuple[int, set[str], int]:
    """Map a file, read all of it, and say which inode this process then has mapped, and how."""
    parts = map_books(file)
    assert sum(float(np.nansum(part.bid_px)) for part in parts) > 0
    lines = [line.split() for line in Path("/proc/self/maps").read_text().splitlines()]
    own = [line for line in lines if line[-1] == str(file.path)]
    return os.getpid(), {line[1] for line in own}, int(own[0][4])


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs /proc/self/maps")
def test_two_processes_map_the_same_pages(traded: tuple[Lake, Strategy, tuple[str, ...]]) -> None:
    """Both have the one file mapped, without the right to write: its pages are loaded once."""
    file = _share(traded)
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        found = [pool.submit(_mapped_by, file).result(), _mapped_by(file)]
    (first, rights, inode), (second, other_rights, other_inode) = found
    assert first != second
    assert inode == other_inode == file.path.stat().st_ino
    assert rights | other_rights <= {"r--p", "r--s"}


def test_a_trial_earns_what_the_backtest_says(
    traded: tuple[Lake, Strategy, tuple[str, ...]],
) -> None:
    """Profit, trades and wins of a day are those of `arb backtest`; its blocks add up to it."""
    lake, strategy, _ = traded
    snapshot = lake.snapshot()
    markets = {str(day): load_markets(lake, "demo", day) for day in DAYS}
    target = TriangleTarget(lake, strategy, markets, 24, snapshot)
    for params in ({}, {"min_profit_bps": 20.0, "slots": 2, "universe.max_length": 4}):
        data = strategy.model_dump() | {k: v for k, v in params.items() if "." not in k}
        if "universe.max_length" in params:
            data["universe"] = {**data["universe"], "max_length": 4}
        changed = Strategy.model_validate(data)
        for day in DAYS:
            found = target.evaluate(params, str(day))
            report = run_backtest(lake, changed, day, snapshot=snapshot)
            (summary,) = report.summaries.iter_rows(named=True)
            assert found.trades == summary["trades"] > 0
            assert (found.profit, found.wins) == (summary["net_profit"], summary["wins"])
            assert found.balance == summary["balance"]
            assert len(found.returns) == 24
            assert sum(found.returns) * found.balance == pytest.approx(found.profit)
            for name in ("fee", "slippage", "latency", "spent", "completed", "unwound"):
                assert found.measures[name] == pytest.approx(summary[name])


def test_several_start_currencies_are_valued_in_the_first(
    traded: tuple[Lake, Strategy, tuple[str, ...]],
) -> None:
    """What another currency earns counts at the middle of the day's first book of the two."""
    lake, strategy, _ = traded
    both = strategy.model_copy(
        update={
            "universe": strategy.universe.model_copy(update={"start": ("USDT", "BTC")}),
            "balances": {"USDT": 1_000.0, "BTC": 0.02},
        }
    )
    markets = {str(DAY): load_markets(lake, "demo", DAY)}
    found = TriangleTarget(lake, both, markets, 24, lake.snapshot()).evaluate({}, str(DAY))
    books = read_levels(lake, "demo", DAY, ["BTC-USDT"])
    two_sided = (books.bid_px[:, 0] > 0) & (books.ask_px[:, 0] > 0)
    rate = float(books.bid_px[two_sided][0, 0] + books.ask_px[two_sided][0, 0]) / 2
    summaries = run_backtest(lake, both, DAY).summaries
    profit = dict(summaries.select("start_currency", "net_profit").iter_rows())
    assert profit["BTC"] != 0
    assert found.profit == pytest.approx(profit["USDT"] + profit["BTC"] * rate)
    assert found.balance == pytest.approx(1_000 + 0.02 * rate)


def test_parameters_are_fields_of_the_strategy(
    traded: tuple[Lake, Strategy, tuple[str, ...]],
) -> None:
    """A wrong name is told from a wrong value, and the nearest right ones are named."""
    lake, strategy, _ = traded
    target = TriangleTarget(lake, strategy, {}, 24, lake.snapshot())
    target.check({"capital_allocation.mode": "fixed_amount", "capital_allocation.amount": 10.0})
    for name, words in (
        ("fraction", r"did you mean capital_allocation\.fraction\?"),
        ("min_profit_bp", r"did you mean min_profit_bps\?"),
        ("exchange", "exchange: the target has no such parameter"),
        ("balances.DOGE", "balances.DOGE"),
    ):
        with pytest.raises(UnknownParameter, match=words):
            target.check({name: 1.0})
    for params, words in (
        ({"slots": 0}, "slots: Input should be greater than or equal to 1"),
        (
            {
                "capital_allocation.mode": "fixed_fraction",
                "capital_allocation.fraction": 0.5,
                "capital_allocation.amount": 1.0,
            },
            "capital_allocation.amount: does not belong",
        ),
        (
            {"universe.min_length": 5, "universe.max_length": 4},
            "min_length is greater than max_length",
        ),
    ):
        with pytest.raises(ConfigError, match=words) as caught:
            target.check(params)
        assert not isinstance(caught.value, UnknownParameter)


def test_one_kernel_is_compiled_for_all_books(
    traded: tuple[Lake, Strategy, tuple[str, ...]],
) -> None:
    """Mapped books and writable ones run the same machine code."""
    if not hasattr(kernel._replay, "signatures"):
        pytest.skip("kernels are not compiled")
    world = random_world(4, depth=3)
    kernel.run_kernel(world.scenario, [world.books])
    kernel.run_kernel(world.scenario, map_books(_share(traded)))
    assert len(kernel._replay.signatures) == 1


def test_the_cache_keeps_its_size(
    traded: tuple[Lake, Strategy, tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file unused for longest goes, a needed one never; too many needed ones are refused."""
    lake, _, _ = traded
    old, new = _share(traded, 0), _share(traded, 1)
    os.utime(old.path, (1, 1))
    half = (old.path.stat().st_size + new.path.stat().st_size - 1) / 1e9
    monkeypatch.setenv("ARB_CACHE_GB", str(half))
    small = Lake(load_settings())
    still_mapped = map_books(old)
    make_room(small, [])
    assert [path.name for path in folder_of(lake).glob("*.arrow")] == [new.path.name]
    assert np.isfinite(still_mapped[0].ts_recv).all()
    with pytest.raises(DataError, match="the shared books are not here; a worker on another"):
        map_books(old)
    assert _share(traded, 0) == old
    with pytest.raises(ConfigError, match="ARB_CACHE_GB: the books of this study take"):
        make_room(small, [old, new])


@contextmanager
def _files_of_at_most(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_said_and_leaves_nothing(
    traded: tuple[Lake, Strategy, tuple[str, ...]],
) -> None:
    """The message names file, day and what to do; no half file is taken for a whole one."""
    lake, strategy, symbols = traded
    parts = list(iter_levels(lake, strategy.exchange, DAY, symbols))
    file = _share(traded)
    file.path.unlink()
    with (
        _files_of_at_most(5_000),
        pytest.raises(ArbError, match=r"demo on 2025-01-01 could not be shared: .*free some space"),
    ):
        shared_books._write(file, iter(parts))
    assert not list(folder_of(lake).glob("*.arrow*"))
    assert map_books(_share(traded))


def test_a_day_without_books_is_said(traded: tuple[Lake, Strategy, tuple[str, ...]]) -> None:
    """No empty file, and the day is named."""
    lake, _, symbols = traded
    with pytest.raises(DataError, match="there are no books of demo on 2025-02-01"):
        share_books(lake, "demo", DAY.replace(month=2), symbols, snapshot=lake.snapshot())

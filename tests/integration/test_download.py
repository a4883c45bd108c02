"""Downloading from a loopback source that cuts, lies, refuses and changes its mind."""

from __future__ import annotations

import gzip
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import orjson
import pytest

from arb_pipelines.errors import ConfigError
from arb_pipelines.lake.readers.base import ReadOptions
from arb_pipelines.lake.readers.tardis import read_tardis
from arb_pipelines.settings import Settings, load_settings
from arb_pipelines.venues.retry import Patience
from arb_pipelines.venues.tardis.download import Outcome, Status, download
from arb_pipelines.venues.tardis.files import DataFile
from tests.fakes.tardis_source import Answer, Source, tardis_source

HASTY = Patience(attempts=4, first_wait_s=0.001)
DAY = date(2024, 3, 1)
BTC = DataFile("kucoin", "quotes", DAY, "BTC-USDT")
PATH = "/v1/kucoin/quotes/2024/03/01/BTC-USDT.csv.gz"


def quotes(seed: int = 1, rows: int = 4000) -> bytes:
    """A gzip of quotes that does not compress to nothing."""
    draw = random.Random(seed)
    lines = ["exchange,symbol,timestamp,local_timestamp,ask_amount,ask_price,bid_price,bid_amount"]
    for row in range(rows):
        at = 1_709_251_200_000_000 + row
        lines.append(f"kucoin,BTC-USDT,{at},{at + 9},{draw.random()},101,99,{draw.random()}")
    return gzip.compress("\n".join([*lines, ""]).encode(), mtime=0)


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> Iterator[Source]:
    """A source with one file, which the settings point to."""
    with tardis_source() as running:
        running.files[PATH] = quotes()
        monkeypatch.setenv("ARB_TARDIS_URL", f"{running.address}/v1")
        yield running


def get(out: Path, *files: DataFile, **options: object) -> list[Outcome]:
    """Download with little patience."""
    options = {"patience": HASTY, **options}
    return download(files or (BTC,), out, load_settings(), **options)


def visible(folder: Path) -> list[str]:
    """Files that a reader or the landing sensor would see."""
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for a condition, at most 20 s."""
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until, "waited too long"
        time.sleep(0.005)


def test_a_file_comes_whole_and_once(source, tmp_path):
    """The bytes are the source's; a second call asks for nothing; the reader reads them."""
    (outcome,) = get(tmp_path)
    assert (outcome.status, outcome.size) == (Status.DOWNLOADED, len(quotes()))
    (path,) = (tmp_path / name for name in visible(tmp_path))
    assert path.read_bytes() == quotes()
    assert sum(batch.rows.num_rows for batch in read_tardis(path, ReadOptions())) == 4000
    assert get(tmp_path)[0].status is Status.PRESENT
    assert len(source.requests) == 1


def test_a_cut_goes_on_where_it_stopped(source, tmp_path):
    """A connection lost in the middle, twice, is resumed by range: no byte comes twice."""
    source.faults[PATH] += [Answer(cut_at=20_000), Answer(cut_at=15_000)]
    assert get(tmp_path)[0].status is Status.DOWNLOADED
    first, second, third = source.ranges(PATH)
    assert (first, second) == (None, "bytes=20000-")
    assert third == "bytes=35000-"
    assert (tmp_path / BTC.name).read_bytes() == quotes()


def test_a_whole_part_file_of_untold_length_is_finished(source, tmp_path):
    """Killed before the last rename of a file whose length was never told, nothing is fetched."""
    source.faults[PATH] += [Answer(cut_at=20_000)]
    get(tmp_path, patience=Patience(attempts=1))
    part = tmp_path / f".{BTC.name}.part"
    part.write_bytes(quotes())
    facts = part.with_name(f"{part.name}.json")
    facts.write_text(orjson.dumps(orjson.loads(facts.read_text()) | {"length": None}).decode())
    assert get(tmp_path)[0].status is Status.DOWNLOADED
    assert source.ranges(PATH) == [None, f"bytes={len(quotes())}-"]


def test_another_version_in_between_starts_anew(source, tmp_path):
    """When the file at the source changed after a cut, no byte of the old one stays."""
    source.faults[PATH] += [Answer(cut_at=20_000), Answer(body=quotes(2))]
    source.files[PATH] = quotes(1)
    get(tmp_path)
    assert (tmp_path / BTC.name).read_bytes() == quotes(2)


def test_a_range_of_another_version_is_not_appended(source, tmp_path):
    """A source that ignores If-Range and resumes another version does not fool us."""
    other = {"ETag": '"other"', "Content-Range": f"bytes 20000-29999/{len(quotes())}"}
    source.faults[PATH] += [Answer(cut_at=20_000), Answer(status=206, headers=other)]
    get(tmp_path)
    assert source.ranges(PATH) == [None, "bytes=20000-", None]
    assert (tmp_path / BTC.name).read_bytes() == quotes()


def test_a_weak_etag_cannot_resume(source, tmp_path):
    """A weak ETag does not promise equal bytes: the next attempt starts anew."""
    source.faults[PATH] += [Answer(cut_at=20_000, headers={"ETag": 'W/"x"'})]
    get(tmp_path)
    assert source.ranges(PATH) == [None, None]
    assert (tmp_path / BTC.name).read_bytes() == quotes()


@pytest.mark.parametrize(
    "fault", [Answer(promise=999_999, body=quotes()[:-30]), Answer(body=quotes()[:-30])]
)
def test_a_wrong_length_or_half_a_gzip_never_appears(source, tmp_path, fault):
    """A body shorter than promised, or half a gzip, is tried again and in the end named."""
    source.faults[PATH] += [fault] * 3
    assert get(tmp_path)[0].status is Status.DOWNLOADED
    assert (tmp_path / BTC.name).read_bytes() == quotes()
    source.faults[PATH] += [fault] * 4
    (outcome,) = get(tmp_path / "again")
    assert outcome.status is Status.FAILED
    assert outcome.reason
    assert visible(tmp_path / "again") == []


def test_passing_errors_are_tried_again_and_others_are_not(source, tmp_path):
    """500 and 429 pass; 404, 400 and 401 are final at once, and stop no other file."""
    paths = {name: PATH.replace("BTC", name) for name in ("AAA", "BBB", "CCC", "DDD")}
    source.faults[PATH] += [Answer(500), Answer(429, {"Retry-After": "0"}), Answer(503)]
    source.faults[paths["BBB"]] += [Answer(401)]
    source.faults[paths["CCC"]] += [Answer(400)]
    source.faults[paths["DDD"]] += [Answer(500)] * 4
    files = [DataFile("kucoin", "quotes", DAY, f"{name}-USDT") for name in ("BTC", *paths)]
    outcomes = get(tmp_path, *files)
    assert [outcome.status is Status.FAILED for outcome in outcomes] == [False] + [True] * 4
    reasons = [outcome.reason or "" for outcome in outcomes]
    assert "no such file at the source" in reasons[1]
    assert "needs a key" in reasons[2]
    assert "HTTP 400" in reasons[3]
    assert "HTTP 500" in reasons[4]
    asked = [len(source.ranges(path)) for path in (PATH, *paths.values())]
    assert asked == [4, 1, 1, 1, 4]
    assert visible(tmp_path) == [BTC.name]


def test_an_empty_day_is_no_file_and_no_failure(source, tmp_path):
    """Tardis serves a gzip of nothing where it has no data."""
    source.files[PATH] = gzip.compress(b"", mtime=0)
    assert get(tmp_path)[0].status is Status.EMPTY
    assert visible(tmp_path) == []


def test_a_silent_source_is_given_up(source, tmp_path):
    """A source that says nothing more times out, and what came before is kept."""
    never = threading.Event()
    source.faults[PATH] += [Answer(cut_at=20_000, wait_for=never)]
    (outcome,) = get(tmp_path, read_timeout_s=0.3)
    never.set()
    assert outcome.status is Status.DOWNLOADED
    assert source.ranges(PATH) == [None, "bytes=20000-"]


def test_no_more_than_parallel_at_once(source, tmp_path):
    """The source sees as many requests at once as were asked for, and never one more."""
    files = [DataFile("kucoin", "quotes", DAY, f"C{number}-USDT") for number in range(20)]
    for file in files:
        source.files[f"/v1/{file.url_path}"] = quotes(rows=50)
    source.rendezvous = 3  # no answer before three requests are there
    outcomes = get(tmp_path, *files, parallel=3)
    assert {outcome.status for outcome in outcomes} == {Status.DOWNLOADED}
    assert [outcome.file for outcome in outcomes] == files
    assert source.most_at_once == 3


def test_the_key_is_sent_and_not_shown(source, tmp_path, monkeypatch):
    """The key goes into the header, and into no message."""
    source.key_for_all = "right"
    assert "needs a key" in (get(tmp_path)[0].reason or "")
    monkeypatch.setenv("ARB_TARDIS_API_KEY", "wrong-secret")
    reason = get(tmp_path)[0].reason or ""
    assert "does not cover" in reason
    assert "wrong-secret" not in reason
    monkeypatch.setenv("ARB_TARDIS_API_KEY", "right")
    assert get(tmp_path)[0].status is Status.DOWNLOADED


def test_two_downloads_into_one_folder_are_refused(source, tmp_path):
    """The second of two downloads into a folder is told so at once."""
    held = threading.Event()
    source.faults[PATH] += [Answer(cut_at=10, wait_for=held)]
    first = threading.Thread(target=get, args=(tmp_path,))
    first.start()
    wait_until(lambda: bool(source.requests))
    with pytest.raises(ConfigError, match="another download"):
        get(tmp_path)
    held.set()
    first.join()
    assert (tmp_path / BTC.name).read_bytes() == quotes()


def command(*more: str) -> list[str]:
    """The real command for ``BTC``."""
    program = [sys.executable, "-m", "arb_pipelines.cli", "download", "--source", "tardis"]
    which = ["--exchange", "kucoin", "--type", "quotes", "--symbols", "BTC-USDT"]
    return [*program, *which, "--days", "2024-03-01", "--json", *more]


def run(home: Settings, *more: str) -> subprocess.CompletedProcess[bytes]:
    """Run the command to its end."""
    return subprocess.run(command(*more), capture_output=True, check=False, env=environment(home))


def environment(home: Settings) -> dict[str, str]:
    """The environment with this test's home."""
    return {**os.environ, "ARB_HOME": str(home.root)}


def test_a_killed_download_resumes(source, home):
    """SIGKILL in mid-file leaves no visible file; the next call fetches only what is missing."""
    landing = home.landing / "kucoin" / "tardis"
    part = landing / f".{BTC.name}.part"
    held = threading.Event()
    source.faults[PATH] += [Answer(cut_at=20_000, wait_for=held)]
    process = subprocess.Popen(
        command(), env=environment(home), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_until(lambda: part.exists() and part.stat().st_size == 20_000)
        process.send_signal(signal.SIGKILL)
    finally:
        process.kill()
        process.wait()
        held.set()
    assert visible(landing) == []
    done = run(home)
    assert done.returncode == 0, done.stderr
    assert source.ranges(PATH) == [None, "bytes=20000-"]
    assert (landing / BTC.name).read_bytes() == quotes()
    assert [path.name for path in landing.glob(".*part*")] == []
    document = orjson.loads(done.stdout)
    assert (document["downloaded"], document["failed"]) == (1, 0)
    assert document["files"][0]["file"] == BTC.name


def test_the_command_names_what_failed(source, home):
    """Exit code 2 with one line naming the file; the JSON still tells of every file."""
    done = run(home, "--days", "2024-03-01..2024-03-02")
    assert done.returncode == 2
    line = done.stderr.decode().strip().splitlines()[-1]
    assert "1 of 2 files failed: kucoin_quotes_2024-03-02_BTC-USDT.csv.gz: no such file" in line
    statuses = [file["status"] for file in orjson.loads(done.stdout)["files"]]
    assert statuses == ["downloaded", "failed"]

"""`arb sql`: one question, the prompt, the formats, and that it only reads."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import subprocess
import sys

import duckdb
import pytest

from arb_pipelines import cli
from arb_pipelines.lake.attachment import extension
from arb_pipelines.lake.runs import recorded_run
from arb_pipelines.lake.schemas import RUNS
from arb_pipelines.lake.store import Lake

PROMPT = "lake> "


@pytest.fixture
def filled(lake: Lake) -> Lake:
    """A lake with two runs."""
    for number in range(2):
        with recorded_run(lake, "scan", f"p{number}", {}):
            pass
    return lake


def arb(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run `arb sql`; give exit code, stdout and stderr."""
    with pytest.raises(SystemExit) as left:
        cli.main(["sql", *arguments])
    captured = capsys.readouterr()
    return int(left.value.code or 0), captured.out, captured.err


VALUES = (
    "SELECT 1 AS n, NULL AS none, 'a,\"b' AS text, 1.50::DECIMAL(9,2) AS price, "
    "[1.0, 'nan'::DOUBLE] AS list, DATE '2025-08-31' AS day, (2::HUGEINT ** 70)::HUGEINT AS huge, "
    "true AS yes, {'a': 1} AS record"
)


def test_json_carries_every_type(filled: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    """Decimals and huge integers are text, NaN and NULL null, days ISO 8601."""
    code, out, _ = arb(capsys, VALUES, "--json")
    row = {"n": 1, "none": None, "text": 'a,"b', "price": "1.50", "list": [1.0, None]}
    row |= {"day": "2025-08-31", "huge": str(2**70), "yes": True, "record": {"a": 1}}
    assert (code, json.loads(out)) == (0, [row])
    assert arb(capsys, VALUES, "--format", "json")[1] == out


def test_csv_quotes_and_leaves_null_empty(filled: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    """A csv reader gives the values back."""
    _, out, _ = arb(
        capsys, "SELECT 'a,\"b' AS t, NULL AS n, true AS y, 0.5 AS f", "--format", "csv"
    )
    assert list(csv.reader(io.StringIO(out))) == [["t", "n", "y", "f"], ['a,"b', "", "true", "0.5"]]


def test_table_is_aligned_and_says_what_it_left_out(
    filled: Lake, capsys: pytest.CaptureFixture[str]
) -> None:
    """Numbers stand right, texts left; a cut is told on stderr, never silent."""
    _, out, err = arb(
        capsys, "SELECT i AS number, 'x' AS t FROM range(98, 300) r(i)", "--limit", "3"
    )
    assert out == "number  t\n------  -\n    98  x\n    99  x\n   100  x\n"
    assert err == "the first 3 rows; --limit 0 shows all\n"
    _, out, err = arb(capsys, "SELECT i FROM range(150) r(i)")
    assert (len(out.splitlines()), bool(err)) == (102, True)
    _, out, err = arb(capsys, "SELECT i FROM range(150) r(i)", "--limit", "0")
    assert (len(out.splitlines()), err) == (152, "")


def test_the_lake_is_asked_as_it_was(filled: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    """--snapshot shows the past; one that never was is one line and exit code 2."""
    count = "SELECT count(*) AS n FROM runs"
    past = str(filled.snapshot() - 1)
    assert json.loads(arb(capsys, count, "--json", "--snapshot", past)[1]) == [{"n": 1}]
    code, out, err = arb(capsys, count, "--snapshot", "999")
    assert (code, out, err.count("\n")) == (2, "", 1)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM runs",
        "INSERT INTO runs SELECT * FROM runs",
        "SELECT 1; DROP TABLE runs",
        "CREATE TABLE t (i INTEGER)",
        "COPY runs TO '/dev/null'",
        "ATTACH ':memory:' AS other",
        "CALL ducklake_expire_snapshots('lake', versions => [1])",
        "SELECT * FROM ducklake_expire_snapshots('lake', versions => [1])",
    ],
)
def test_writes_are_refused(
    filled: Lake, capsys: pytest.CaptureFixture[str], statement: str
) -> None:
    """Nothing runs of a text that would write; exit code 2 and one line."""
    code, out, err = arb(capsys, statement)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert filled.query("SELECT count(*) FROM runs").item() == 2


def test_a_mistake_is_one_line(filled: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    """Parser and binder errors keep their reason and lose their picture."""
    code, _, err = arb(capsys, "SELEC 1")
    assert (code, err) == (2, 'arb: Parser Error: syntax error at or near "SELEC"\n')
    code, _, err = arb(capsys, "SELECT no_such FROM runs")
    assert code == 2
    assert "no_such" in err
    assert err.count("\n") == 1


def test_statements_from_a_pipe(filled: Lake) -> None:
    """Without a terminal there is no prompt; a mistake is told and the next statement runs."""
    lines = "SELECT count(*) AS n\nFROM runs;\n\nSELEC;\n\\d runs\n\\x\nSELECT 7 AS last"
    done = subprocess.run(
        [sys.executable, "-m", "arb_pipelines.cli", "sql", "--json"],
        input=lines,
        capture_output=True,
        text=True,
        timeout=60,
    )
    first, described, last = map(json.loads, done.stdout.splitlines())
    assert (first, last, done.returncode) == ([{"n": 2}], [{"last": 7}], 0)
    assert [column["column_name"] for column in described] == list(RUNS.names)
    assert len(done.stderr.splitlines()) == 2


def test_the_prompt_on_a_terminal(filled: Lake) -> None:
    """A statement over two lines, an error that ends nothing, tables, history, and leaving."""
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "arb_pipelines.cli", "sql", "--format", "csv"],
        stdin=child,
        stdout=child,
        stderr=child,
        env=os.environ | {"TERM": "dumb"},
        close_fds=True,
    )
    os.close(child)

    def until(end: str) -> str:
        text = ""
        while not text.endswith(end):
            text += os.read(parent, 1024).decode()
        return text

    try:
        until(PROMPT)
        os.write(parent, b"SELECT count(*) AS runs_in_all\n")
        until("...> ")
        os.write(parent, b"FROM runs;\n")
        assert "runs_in_all\r\n2\r\n" in until(PROMPT)
        os.write(parent, b"SELEC;\n")
        assert "syntax error" in until(PROMPT)
        os.write(parent, b"\\d\n")
        assert "book_tops" in until(PROMPT)
        os.write(parent, b"\\q\n")
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        os.close(parent)
    assert "FROM runs;" in (filled.root / "sql_history").read_text()


def test_any_client_attaches_with_the_two_statements(
    filled: Lake, capsys: pytest.CaptureFixture[str]
) -> None:
    """What --attach prints works in a DuckDB of one's own, and reads only."""
    _, out, _ = arb(capsys, "--attach")
    attach, use = out.splitlines()
    with duckdb.connect() as client:
        for name in ("ducklake", "sqlite_scanner"):
            client.execute(f"LOAD '{extension(name)}'")
        client.execute(attach)
        client.execute(use)
        assert client.execute("SELECT count(*) FROM runs").fetchone() == (2,)
        with pytest.raises(duckdb.Error, match="read-only"):
            client.execute("DELETE FROM runs")


def test_without_a_lake(home: object, capsys: pytest.CaptureFixture[str]) -> None:
    """Asking where there is nothing says what to do first."""
    code, _, err = arb(capsys, "SELECT 1")
    assert code == 2
    assert "make demo" in err

"""The SQL models: their fixtures, their lineage, and how they are built in a lake."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb
import pytest

from arb_pipelines.errors import ConfigError
from arb_pipelines.lake.models.checks import Check, checks_of, run_checks
from arb_pipelines.lake.models.files import Fixture, Model, load_audits, load_models, upstream
from arb_pipelines.lake.models.fixtures import relation_columns, run_fixture
from arb_pipelines.lake.models.lineage import column_lineage
from arb_pipelines.lake.models.runner import build_model
from arb_pipelines.lake.schemas import BOOK_TOPS, TABLES
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.models import all_checks, build_models, try_models

MODELS = load_models()
COLUMNS = relation_columns(MODELS)
DAY = date(2026, 1, 5)
FIXTURES = [
    pytest.param(model, fixture, id=f"{model.name}: {fixture.name}")
    for model in MODELS.values()
    for fixture in model.tests.fixtures
]


def write(folder: Path, name: str, sql: str, tests: str = "", layer: str = "marts") -> None:
    (folder / layer).mkdir(parents=True, exist_ok=True)
    (folder / layer / f"{name}.sql").write_text(sql)
    if tests:
        (folder / layer / f"{name}.yml").write_text(tests)


HEADER = "-- description: d\n-- grain: g\n-- units: u\n"


def tops(lake: Lake, rows: list[tuple[str, float, float]]) -> None:
    """Put tops of symbol, bid, ask into the partition, a second apart."""
    frame = BOOK_TOPS.frame(
        [
            {
                "venue": "v",
                "day": DAY,
                "row_no": number,
                "symbol": symbol,
                "ts_recv": 1767571200_000000000 + number * 1_000_000_000,
                "bid_px": bid,
                "bid_sz": 1.0,
                "ask_px": ask,
                "ask_sz": 1.0,
                "source": "f",
            }
            for number, (symbol, bid, ask) in enumerate(rows)
        ]
    )
    lake.commit(lambda tx: tx.replace(BOOK_TOPS, {"venue": "v", "day": DAY}, frame))


@pytest.mark.parametrize(("model", "fixture"), FIXTURES)
def test_fixture_holds(model: Model, fixture: Fixture) -> None:
    """Each model gives the expected rows for the given ones."""
    assert run_fixture(model, fixture, COLUMNS) == []


def test_every_model_has_a_fixture_and_a_unique_key() -> None:
    """No model goes without a tried example and a stated key."""
    assert all(model.tests.fixtures and model.tests.unique for model in MODELS.values())


def test_a_wrong_expectation_is_reported() -> None:
    """A fixture can fail: a changed value shows as one missing and one unexpected row."""
    model = MODELS["opportunity_lives"]
    fixture = model.tests.fixtures[0]
    wrong = fixture.model_copy(update={"expect": [fixture.expect[0] | {"lives": 3}]})
    lines = run_fixture(model, wrong, COLUMNS)
    assert [line.split(":")[0] for line in lines] == ["missing", "not expected"]


def test_models_come_after_what_they_read() -> None:
    """Building in the given order never meets a relation that is not there yet."""
    seen = set(TABLES)
    for model in MODELS.values():
        assert set(model.reads) <= seen
        seen.add(model.name)
    assert upstream(MODELS, "cycle_edges") >= {"int_tops_by_second", "stg_book_tops", "book_tops"}


def test_column_lineage_follows_expressions_through_ctes() -> None:
    """A computed column names the columns it is made of, and every column is traced."""
    traced = column_lineage(MODELS)
    assert traced["stg_book_tops"]["spread_bps"] == [
        ("book_tops", "ask_px"),
        ("book_tops", "bid_px"),
    ]
    assert set(traced) == set(MODELS)
    assert set(traced["symbol_hours"]) == set(COLUMNS["symbol_hours"])


def test_models_and_audits_run_as_they_stand(lake: Lake) -> None:
    """Every file is plain SQL: it runs unchanged on a connection to the lake."""
    build_models(lake)
    with lake.reading() as connection:
        for path in [one.path for one in (*MODELS.values(), *load_audits())]:
            connection.execute(path.read_text()).fetchall()


def test_partition_is_replaced_and_others_stay(lake: Lake) -> None:
    """Building one partition twice gives its rows once and leaves the other days alone."""
    tops(lake, [("A-B", 1.0, 2.0), ("A-B", 1.1, 2.0), ("C-D", 3.0, 4.0)])
    part = {"venue": "v", "day": DAY}
    assert build_models(lake, part)["symbol_hours"] == 2
    assert build_models(lake, part)["symbol_hours"] == 2
    build_models(lake, {"venue": "w", "day": DAY})
    assert lake.query("SELECT count(*) FROM symbol_hours").item() == 2


def test_unchanged_view_makes_no_new_snapshot(lake: Lake) -> None:
    """Building an unchanged view again does not touch the catalog."""
    lake.commit(lambda tx: build_model(tx, MODELS["stg_book_tops"]))
    before = lake.snapshot()
    lake.commit(lambda tx: build_model(tx, MODELS["stg_book_tops"]))
    assert lake.snapshot() == before


def test_changed_columns_make_the_table_anew(lake: Lake, tmp_path: Path) -> None:
    """A model that gained a column is rebuilt with it."""
    tops(lake, [("A-B", 1.0, 2.0)])
    write(tmp_path, "m", HEADER + "-- materialized: table\nselect symbol from book_tops")
    lake.commit(lambda tx: build_model(tx, load_models(tmp_path)["m"]))
    write(tmp_path, "m", HEADER + "-- materialized: table\nselect symbol, bid_px from book_tops")
    lake.commit(lambda tx: build_model(tx, load_models(tmp_path)["m"]))
    assert lake.query("SELECT * FROM m").rows() == [("A-B", 1.0)]


def test_checks_find_planted_bad_rows(lake: Lake) -> None:
    """A crossed top, and a symbol no list knows, are found; a clean lake passes everything."""
    build_models(lake, {"venue": "v", "day": DAY})
    _, clean = try_models(lake)
    assert all(result.passed for result in clean)
    tops(lake, [("A-B", 2.0, 1.0), ("A-B", 1.0, 2.0)])
    build_models(lake, {"venue": "v", "day": DAY})
    over = {"book_tops", "stg_book_tops", "symbol_hours"}
    checks = [check for check in all_checks() if check.on in over]
    found = run_checks(lake, checks, {"venue": "v", "day": DAY})
    bad = {result.check.name: result.bad for result in found if not result.passed}
    assert bad["crossed_books"] == 1
    assert bad["symbol_hours_symbol_found_in_markets"] == 1
    assert bad["stg_book_tops_spread_is_positive"] == 1
    elsewhere = run_checks(lake, checks, {"venue": "other", "day": DAY})
    assert all(result.passed for result in elsewhere)


def test_each_kind_of_test_can_fail(lake: Lake, tmp_path: Path) -> None:
    """not_null, unique, accepted_values, relationships and expressions each catch their row."""
    tops(lake, [("A-B", 1.0, 2.0), ("A-B", 3.0, 4.0)])
    sql = HEADER + "select symbol, bid_px, null::int as hole from book_tops"
    tests = (
        "unique: [symbol]\n"
        "columns:\n"
        "  hole: [not_null]\n"
        "  bid_px: [{accepted_values: [1.0]}]\n"
        "  symbol: [{relationships: {to: markets, columns: [symbol]}}]\n"
        "expressions: {small: bid_px < 2}\n"
    )
    write(tmp_path, "m", sql, tests)
    model = load_models(tmp_path)["m"]
    lake.commit(lambda tx: build_model(tx, model))
    assert [result.bad for result in run_checks(lake, checks_of(model))] == [1, 2, 1, 2, 1]


def test_a_model_without_rows_breaks_no_rule_of_its_own(lake: Lake, tmp_path: Path) -> None:
    """Whatever it reads; one that makes a row of nothing is asked all the same."""
    tests = "columns:\n  hole: [not_null]\n"
    for rows, of in (
        (0, "select null::int as hole from book_tops"),
        (1, "select max(row_no) as hole from book_tops"),
    ):
        write(tmp_path, "m", HEADER + of, tests)
        model = load_models(tmp_path)["m"]
        lake.commit(lambda tx, model=model: build_model(tx, model))
        (result,) = run_checks(lake, checks_of(model))
        assert (result.bad, result.sample.columns) == (rows, ["hole"])


def test_check_narrows_by_the_columns_it_shows(lake: Lake) -> None:
    """A partition column that the bad rows do not show does not narrow the check."""
    check = Check("c", "x", "d", "SELECT 'v' AS venue")
    assert run_checks(lake, [check], {"venue": "w", "day": DAY})[0].passed
    assert run_checks(lake, [check], {"venue": "v", "day": DAY})[0].bad == 1


@pytest.mark.parametrize(
    ("sql", "tests", "message"),
    [
        ("select 1 as x", "", "m.sql: the header lacks description, grain, units"),
        (HEADER + "selec 1", "", "m.sql: the SQL does not parse"),
        (HEADER + "select * from nowhere", "", "m.sql: reads nowhere, which is no model or table"),
        (HEADER + "-- materialized: soup\nselect 1 as x", "", "is 'table' or 'view', not 'soup'"),
        (HEADER + "select 1 as x", "columns: {x: [spotless]}", "m.yml: columns.x"),
        (HEADER + "select 1 as x", "a: [", "m.yml: not YAML"),
        (HEADER + "select * from m", "", "read each other in a circle: m > m"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, sql: str, tests: str, message: str) -> None:
    """A wrong model file gives an error that names the file and what is wrong."""
    write(tmp_path, "m", sql, tests)
    with pytest.raises(ConfigError, match=message):
        load_models(tmp_path)


def test_fixture_of_an_unknown_column_is_refused() -> None:
    """A misspelt column in a fixture is an error, not a silently passing test."""
    model = MODELS["opportunity_lives"]
    fixture = Fixture(name="f", given={"opportunities": [{"peek_bps": 1}]}, expect=[])
    with pytest.raises(ConfigError, match="peek_bps"):
        run_fixture(model, fixture, COLUMNS)


def test_models_need_nothing_but_duckdb() -> None:
    """No model uses a function that only this package's own connections would have."""
    with duckdb.connect() as connection:
        for table in TABLES.values():
            connection.execute(table.ddl)
        for model in MODELS.values():
            connection.execute(f"CREATE VIEW {model.name} AS {model.sql}")

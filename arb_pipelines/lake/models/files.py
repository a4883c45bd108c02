"""Read the folder of SQL models: headers, bodies, tests beside them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from arb_pipelines.errors import ConfigError
from arb_pipelines.lake.models.lineage import tables_read
from arb_pipelines.lake.schemas import TABLES

FOLDER = Path(__file__).resolve().parents[3] / "dbt_like_sql"
LAYERS = ("staging", "intermediate", "marts")

_HEADER = re.compile(r"--\s*(\w+):\s*(.*)")


class Relationship(BaseModel):
    """Every row's ``columns`` are found together in table ``to``."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    to: str
    columns: tuple[str, ...]


class ColumnTest(BaseModel):
    """One test of one column; exactly one of the fields is set."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    not_null: bool = False
    unique: bool = False
    accepted_values: tuple[Any, ...] | None = None
    relationships: Relationship | None = None


class Fixture(BaseModel):
    """Rows of what a model reads, and the rows it must give, in any order.

    A given row may leave out columns, which are then NULL; an expected row
    compares only the columns it names.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    given: dict[str, list[dict[str, Any]]]
    expect: list[dict[str, Any]]


class Tests(BaseModel):
    """The YAML file beside a model."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    columns: dict[str, list[Literal["not_null", "unique"] | ColumnTest]] = {}
    unique: tuple[str, ...] = ()
    expressions: dict[str, str] = {}
    fixtures: list[Fixture] = []


@dataclass(frozen=True, slots=True)
class Model:
    """One SELECT that becomes a table or a view of its name."""

    name: str
    layer: str
    path: Path
    sql: str
    description: str
    grain: str
    units: str
    materialized: Literal["table", "view"]
    partition_by: tuple[str, ...]
    reads: tuple[str, ...]
    tests: Tests


@dataclass(frozen=True, slots=True)
class Audit:
    """A query that returns the bad rows of table ``on``."""

    name: str
    path: Path
    sql: str
    description: str
    on: str
    blocking: bool


def load_models(folder: Path = FOLDER) -> dict[str, Model]:
    """Read every model, each after those it reads.

    Raises:
        ConfigError: a header or test file is wrong, a table is unknown, or
            models read each other in a circle.
    """
    models = {
        path.stem: _model(path, layer, path.read_text(), _text_if_any(path.with_suffix(".yml")))
        for layer in LAYERS
        for path in sorted((folder / layer).glob("*.sql"))
    }
    for model in models.values():
        for table in model.reads:
            if table not in models and table not in TABLES:
                raise ConfigError(
                    f"reads {table}, which is no model or table", source=_show(model.path)
                )
    try:
        order = TopologicalSorter(
            {
                name: [table for table in model.reads if table in models]
                for name, model in models.items()
            }
        ).static_order()
        return {name: models[name] for name in order}
    except CycleError as error:
        raise ConfigError(
            f"models read each other in a circle: {' > '.join(error.args[1])}"
        ) from None


def load_audits(folder: Path = FOLDER) -> list[Audit]:
    """Read every audit.

    Raises:
        ConfigError: a header is wrong.
    """
    return [_audit(path) for path in sorted((folder / "audits").glob("*.sql"))]


@lru_cache(maxsize=256)  # parsed once in a process, however often what it says is read
def _model(path: Path, layer: str, text: str, tests: str) -> Model:
    header = _header(text, path, required=("description", "grain", "units"))
    materialized = header.get("materialized", "view")
    if materialized not in ("table", "view"):
        raise ConfigError(
            f"materialized is 'table' or 'view', not {materialized!r}", source=_show(path)
        )
    partition_by = tuple(word.strip() for word in header.get("partition_by", "").split(",") if word)
    return Model(
        name=path.stem,
        layer=layer,
        path=path,
        sql=text,
        description=header["description"],
        grain=header["grain"],
        units=header["units"],
        materialized="table" if materialized == "table" else "view",
        partition_by=partition_by,
        reads=tables_read(text, _show(path)),
        tests=_tests(path.with_suffix(".yml"), tests),
    )


def _audit(path: Path) -> Audit:
    text = path.read_text()
    header = _header(text, path, required=("description", "on", "blocking"))
    return Audit(
        name=path.stem,
        path=path,
        sql=text,
        description=header["description"],
        on=header["on"],
        blocking=header["blocking"] == "yes",
    )


def _header(text: str, path: Path, *, required: tuple[str, ...]) -> dict[str, str]:
    header: dict[str, str] = {}
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        if found := _HEADER.fullmatch(line.strip()):
            header[found[1]] = found[2].strip()
    missing = [name for name in required if not header.get(name)]
    if missing:
        raise ConfigError(
            f"the header lacks {', '.join(missing)}; write '-- {missing[0]}: ...' at the top",
            source=_show(path),
        )
    return header


def _text_if_any(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def _tests(path: Path, text: str) -> Tests:
    try:
        return Tests.model_validate(yaml.safe_load(text) or {})
    except yaml.YAMLError as error:
        raise ConfigError(f"not YAML: {error}", source=_show(path)) from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{where}: {first['msg']}", source=_show(path)) from None


def _show(path: Path) -> str:
    return "/".join(path.parts[-3:])


def upstream(models: Mapping[str, Model], name: str) -> set[str]:
    """Names of everything ``name`` stands on, tables included."""
    found: set[str] = set()
    stack = [name]
    while stack:
        for table in models[stack.pop()].reads:
            if table not in found:
                found.add(table)
                if table in models:
                    stack.append(table)
    return found


def partition_of(models: Mapping[str, Model], name: str) -> tuple[str, str]:
    """Columns that cut what ``name`` stands on: study and window, or strategy or venue and day."""
    tables = [TABLES[table] for table in upstream(models, name) if table in TABLES]
    owners = {owner for table in tables for owner in table.partition_by}
    if "study" in owners:
        return "study", "window_name"
    return ("strategy" if "strategy" in owners else "venue", "day")

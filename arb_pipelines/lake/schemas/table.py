"""What a table and a column are, and the columns that many tables share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

_POLARS: Mapping[str, pl.DataType] = {
    "VARCHAR": pl.String(),
    "BIGINT": pl.Int64(),
    "INTEGER": pl.Int32(),
    "SMALLINT": pl.Int16(),
    "DOUBLE": pl.Float64(),
    "BOOLEAN": pl.Boolean(),
    "DATE": pl.Date(),
    "DOUBLE[]": pl.List(pl.Float64()),
    "DECIMAL(38,18)": pl.Decimal(38, 18),
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column: DuckDB type, meaning with unit, and whether it may be NULL."""

    name: str
    type: str
    doc: str
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """One table: what a row is, what makes it unique, and how it is partitioned.

    ``partition_by`` names the columns of one replaceable slice; an empty tuple
    marks a table that only grows. ``key`` is unique in the table. ``appended`` tells
    that rows come a few at a time although there are partitions.
    """

    name: str
    grain: str
    columns: tuple[Column, ...]
    partition_by: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    appended: bool = False
    names: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(column.name for column in self.columns))

    @property
    def inlined(self) -> bool:
        """Whether a few new rows wait in the catalog instead of making a file each."""
        return self.appended or not self.partition_by

    @property
    def ddl(self) -> str:
        """``CREATE TABLE IF NOT EXISTS`` statement."""
        body = ", ".join(
            f"{c.name} {c.type}{'' if c.nullable else ' NOT NULL'}" for c in self.columns
        )
        return f"CREATE TABLE IF NOT EXISTS {self.name} ({body})"

    @property
    def polars(self) -> dict[str, pl.DataType]:
        """Polars schema in column order."""
        return {column.name: _POLARS[column.type] for column in self.columns}

    def frame(
        self, data: Mapping[str, object] | list[dict[str, object]] | None = None
    ) -> pl.DataFrame:
        """Build a frame of exactly this schema; ``None`` gives an empty one."""
        return pl.DataFrame(data if data is not None else {}, schema=self.polars, strict=False)


VENUE = Column("venue", "VARCHAR", "Exchange, lower case: kucoin, binance, …")
DAY = Column("day", "DATE", "UTC day of ts_recv")
SYMBOL = Column("symbol", "VARCHAR", "BASE-QUOTE, such as BTC-USDT")
CYCLE = Column("cycle_key", "VARCHAR", "Canonical legs: 'BTC-USDT:buy>ETH-BTC:buy>ETH-USDT:sell'")
STRATEGY = Column("strategy", "VARCHAR", "Name in the strategy file")
START = Column("start_currency", "VARCHAR", "Currency the cycle starts and ends in")

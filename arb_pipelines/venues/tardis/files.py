"""What Tardis's files are called, at the source and here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class DataFile:
    """One day of one symbol. ``exchange`` and ``data_type`` are Tardis's own names.

    Source: https://docs.tardis.dev/downloadable-csv-files/api
    """

    exchange: str
    data_type: str
    day: date
    symbol: str

    @property
    def listed_symbol(self) -> str:
        """The symbol as file names have it: upper case, ``-`` for ``/`` and ``:``."""
        return self.symbol.upper().replace("/", "-").replace(":", "-")

    @property
    def url_path(self) -> str:
        """``kucoin/quotes/2024/03/01/BTC-USDT.csv.gz``, below the base address."""
        parts = (self.exchange, self.data_type, *f"{self.day:%Y/%m/%d}".split("/"))
        return "/".join(quote(part, safe="") for part in (*parts, f"{self.listed_symbol}.csv.gz"))

    @property
    def name(self) -> str:
        """``kucoin_quotes_2024-03-01_BTC-USDT.csv.gz``, as Tardis's own clients save it."""
        return f"{self.exchange}_{self.data_type}_{self.day}_{self.listed_symbol}.csv.gz"

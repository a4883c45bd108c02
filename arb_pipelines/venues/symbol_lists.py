"""A venue's symbol list from a file: the one door to the parsers of all venues."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from importlib import import_module
from pathlib import Path

from arb_pipelines.errors import ConfigError, DataError
from arb_pipelines.lake.readers.cryptofeed_files import embedded_symbol_list
from arb_pipelines.market.symbols import Market

#: Venues whose symbol lists can be read; each has ``venues/<venue>/symbols.py``.
VENUES = ("binance", "kraken", "kucoin", "okx")
#: What ccxt tells of any exchange: a list of that shape says itself whose it is.
_OF_ANY = "ccxt_any"
#: Venues that write their lists in another's shape: the generated market.
SHAPES = {"demo": "kucoin"}

_GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


def read_symbol_list(path: Path, venue: str) -> list[Market]:
    """Read a symbol list in the venue's own JSON, plain or gzip, in its order.

    A zstd file is a cryptofeed recording, which holds the list among its
    answers. Numbers keep every digit that the venue wrote.

    Raises:
        ConfigError: no parser for this venue.
        DataError: the file cannot be read, is not this venue's list, is an
            error answer, is empty, or an entry is garbled or stands twice.
    """
    _shape_of(venue)  # before the file is opened
    return parse_symbol_list(_load(path), venue, str(path))


def parse_symbol_list(document: object, venue: str, source: str) -> list[Market]:
    """Read a symbol list that is JSON already, such as the one a recording carries.

    Raises:
        ConfigError: no parser for this venue.
        DataError: as ``read_symbol_list``.
    """
    shape = _shape_of(venue)
    parse: Callable[[object, str], list[Market]] = import_module(
        f"arb_pipelines.venues.{shape}.symbols"
    ).parse_symbols
    markets = parse(document, source)
    if not markets:
        raise DataError("lists no symbols", source=source)
    _refuse_twins(markets, source)
    return markets if shape == venue else [replace(market, venue=venue) for market in markets]


def _shape_of(venue: str) -> str:
    shape = SHAPES.get(venue, venue)
    if shape not in (*VENUES, _OF_ANY):
        raise ConfigError(
            f"no symbol lists of {venue!r} are known; choose one of {', '.join((*VENUES, *SHAPES))}"
        )
    return shape


def _load(path: Path) -> object:
    try:
        raw = path.read_bytes()
        if raw.startswith(_GZIP_MAGIC):
            raw = gzip.decompress(raw)
        elif raw.startswith(_ZSTD_MAGIC):
            raw = embedded_symbol_list(path) or b""
        return json.loads(raw, parse_float=Decimal, object_pairs_hook=_object)
    except OSError as error:  # gzip's own errors are OSErrors too
        raise DataError(f"cannot be read: {error.strerror or error}", source=str(path)) from None
    except (EOFError, zlib.error):
        raise DataError("is a gzip file cut short or damaged", source=str(path)) from None
    except UnicodeDecodeError:
        raise DataError("is not UTF-8 text", source=str(path)) from None
    except json.JSONDecodeError as error:
        raise DataError(
            f"is not JSON: {error.msg} at line {error.lineno}, column {error.colno}",
            source=str(path),
        ) from None
    except (RecursionError, ValueError) as error:
        raise DataError(f"is not a symbol list: {error}", source=str(path)) from None


class _TwiceError(ValueError):
    """An object has a name twice, of which JSON's reader would drop one unseen."""


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _TwiceError(f"{twice!r} stands twice in one object")
    return made


def _refuse_twins(markets: list[Market], source: str) -> None:
    for row, market in enumerate(markets):
        if market.base == market.quote:
            raise DataError(
                f"{market.venue_symbol}: trades {market.base} for itself", source=source, row=row
            )
    # Apart, because a renamed symbol may leave its old name to another's currencies.
    for names in ([m.venue_symbol for m in markets], [m.symbol for m in markets]):
        first: dict[str, int] = {}
        for row, name in enumerate(names):
            if first.setdefault(name, row) != row:
                raise DataError(
                    f"{name} is listed twice, first in row {first[name]}", source=source, row=row
                )

"""Shared services: what is handed out cannot be changed by ordinary means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
import pytest
from pydantic import BaseModel, ConfigDict

from arb_pipelines.containers.shared import SharedServices, freeze
from arb_pipelines.errors import ConfigError, InvariantBroken


class Part(NamedTuple):
    """Arrays by name."""

    px: Any
    sz: Any


@dataclass(frozen=True, slots=True)
class Held:
    """A frozen dataclass that holds what is not."""

    rates: dict[str, float]
    table: Any = field(repr=False)


@dataclass
class Loose:
    """A dataclass that anybody may change."""

    rate: float


class Terms(BaseModel):
    """A frozen model that holds what is not."""

    model_config = ConfigDict(frozen=True)
    fees: list[float]


@pytest.fixture
def shared() -> SharedServices:
    return SharedServices(
        {
            "books": (Part(np.ones((3, 2)), np.ones(3, np.int64)),),
            "held": Held({"BTC": 1.0}, np.arange(4.0)[::2]),
            "terms": Terms(fees=[1.0]),
            "days": [date(2025, 1, 1)],
            "names": {"a", "b"},
            "fee": Decimal("0.1"),
        }
    )


WRITES: dict[str, Callable[[Any], object]] = {
    "an element": lambda s: s.books[0].px.__setitem__((0, 0), 2.0),
    "in place": lambda s: s.books[0].px.sort(),
    "a ufunc's output": lambda s: np.add(1.0, 1.0, out=s.books[0].px[0]),
    "the flag": lambda s: s.books[0].px.setflags(write=True),
    "the flag of the base": lambda s: s.books[0].px.base.setflags(write=True),
    "a view's flag": lambda s: s.books[0].px.view().setflags(write=True),
    "a field": lambda s: setattr(s.held, "rates", {}),
    "a mapping": lambda s: s.held.rates.__setitem__("BTC", 2.0),
    "an array in a dataclass": lambda s: s.held.table.fill(0.0),
    "a list in a model": lambda s: s.terms.fees.append(2.0),
    "a list": lambda s: s.days.append(date(2025, 1, 2)),
    "a set": lambda s: s.names.add("c"),
    "a service": lambda s: setattr(s, "books", ()),
    "a new service": lambda s: setattr(s, "more", ()),
    "a deletion": lambda s: delattr(s, "books"),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_writes_are_refused(write: Callable[[Any], object], shared: SharedServices) -> None:
    """Whatever is written to raises, and everything reads as before."""
    with pytest.raises((ValueError, TypeError, AttributeError, InvariantBroken)):
        write(shared)
    assert shared.books[0].px.tolist() == [[1.0, 1.0]] * 3
    assert shared.held.rates == {"BTC": 1.0}
    assert shared.held.table.tolist() == [0.0, 2.0]
    assert shared.terms.fees == (1.0,)
    assert shared.days == (date(2025, 1, 1),)
    assert shared.names == {"a", "b"}


def test_arrays_are_not_copied() -> None:
    """Books are large: what is shared is the memory they lie in."""
    array = np.arange(10.0)
    frozen = freeze(array)
    assert np.shares_memory(array, frozen)
    assert frozen.dtype == array.dtype
    dates = np.array(["2025-01-01", "NaT"], "datetime64[D]")
    assert np.array_equal(freeze(dates), dates, equal_nan=True)
    assert freeze(np.empty((0, 3))).shape == (0, 3)


def test_what_cannot_change_is_itself() -> None:
    """Frozen values of plain ones need no copy."""
    value = (1, "a", (Decimal(1), None))
    assert freeze(value) == value
    held = Held({}, None)
    assert freeze(Part(1, held.table)) == Part(1, None)


@pytest.mark.parametrize(
    "value", [Loose(1.0), [Loose(1.0)], {"a": {"b": bytearray(1)}}, np.array([[]], object)]
)
def test_what_anybody_could_change_is_not_shared(value: object) -> None:
    """The message says where it is and what to share instead."""
    with pytest.raises(ConfigError, match=r"^service.*can be changed by whoever gets it"):
        SharedServices({"service": value})


def test_an_unknown_service_is_named_with_those_there_are(shared: SharedServices) -> None:
    """A wrong name is told with the right ones."""
    with pytest.raises(AttributeError, match="bars is not shared; shared is books, days"):
        _ = shared.bars
    assert "books" in dir(shared)

"""What a line must be to be a signal: exact amounts, and mistakes told by field."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from arb_pipelines.errors import DataError
from arb_pipelines.execution.signals.wire import decode_signal
from tests.fakes.signals import a_signal, changed_leg


def mistake(line: bytes | dict[str, Any]) -> str:
    """Give what is wrong with a line."""
    with pytest.raises(DataError) as wrong:
        decode_signal(line if isinstance(line, bytes) else msgspec.json.encode(line))
    return str(wrong.value)


def test_amounts_are_the_digits_of_the_line() -> None:
    """As text or number: a float on the way would give 0.10000000000000000555."""
    line = msgspec.json.encode(a_signal(starting_volume="0.1000000000000000055"))
    assert decode_signal(line).starting_volume == Decimal("0.1000000000000000055")
    number = line.replace(b'"0.1000000000000000055"', b"0.1000000000000000055")
    assert number != line
    assert decode_signal(number) == decode_signal(line)


@pytest.mark.parametrize(
    ("detail", "changes"),
    [
        ("legs[1].side: invalid enum value 'hold'; give buy or sell",
         {"legs": changed_leg(1, side="hold")}),
        ("legs[0].fee_rate: -1 is below 0; give the taker fee as a fraction, such as \"0.001\"",
         {"legs": changed_leg(0, fee_rate="-1")}),
        ("legs[2].sise: unknown field; leave it out, the contract is docs/signals.md",
         {"legs": changed_leg(2, sise="1")}),
        ("starting_volume: NaN is out of range; give it as text, such as \"0.001\"",
         {"starting_volume": "NaN"}),
        ("starting_volume: sNaN is out of range; give it as text, such as \"0.001\"",
         {"starting_volume": "sNaN"}),
        ("starting_volume: 1E+31 is out of range; give it as text, such as \"0.001\"",
         {"starting_volume": "1e31"}),
        ("ts_ms: 1E-31 is out of range; give ms since the epoch, UTC", {"ts_ms": "1e-31"}),
        ("live: expected bool, got str; give true or false: whether the session trades live",
         {"live": "no"}),
        ("correlation_id: expected str of length >= 1; "
         "give 1 to 128 characters of your own that no other signal has",
         {"correlation_id": ""}),
        ("legs: expected array of length >= 3; "
         "list 3 to 5 legs in the order in which they are traded",
         {"legs": []}),
        ("predicted_bps: invalid decimal string; give the net edge in basis points",
         {"predicted_bps": "much"}),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_place_and_remedy(detail: str, changes: dict[str, Any]) -> None:
    """What, where, and what to do."""
    assert mistake(a_signal(**changes)) == detail


@pytest.mark.parametrize("field", sorted(a_signal()))
def test_every_field_is_needed(field: str) -> None:
    """The contract has no defaults."""
    document = a_signal()
    del document[field]
    assert mistake(document).startswith(f"{field}: missing; ")


@pytest.mark.parametrize("line", [b"", b"{", b"\xff", b'"\xff"', b"nothing", b"[1]", b"7"])
def test_what_is_no_object_of_json_is_told_so(line: bytes) -> None:
    """With the byte at which it stops being one, where there is one."""
    assert "send one object a line" in mistake(line)


def test_a_deep_line_does_not_exhaust_the_stack() -> None:
    """A field of a million brackets is a mistake like any other."""
    line = b'{"correlation_id":' + b"[" * 200_000 + b"]" * 200_000 + b"}"
    assert mistake(line)

"""What a person reads of facts that programs have exactly."""

from __future__ import annotations

from arb_pipelines.commands.output import readable


def test_facts_are_put_as_people_read_them() -> None:
    """Times as dates, amounts by name without the noise of binary, nothing as nothing."""
    facts = {
        "ts_started": 1_767_605_400_000_000_000,
        "profit": {"USDT": -15.980000000000002, "BTC": 1e-7},
        "booked": {"USDT": "-15.98000000"},
        "refused": {},
        "open_orders": ("a-1-0", "a-1-1"),
        "ts_ended": None,
        "orders": 12,
    }
    assert readable(facts) == {
        "ts_started": "2026-01-05T09:30:00.000000000Z",
        "profit": "USDT: -15.98, BTC: 1e-07",
        "booked": "USDT: -15.98000000",
        "refused": "none",
        "open_orders": "a-1-0, a-1-1",
        "ts_ended": "",
        "orders": "12",
    }

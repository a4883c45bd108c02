"""The engine's ledger against the venue's account of it: each way they can differ has its name."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb_pipelines.execution.state.values import OrderStatus, Purpose, StoredOrder
from arb_pipelines.market.graph import BUY, SELL
from arb_pipelines.research.reconciliation import (
    Line,
    Moment,
    Verdict,
    changes_of_fills,
    compare_balances,
    compare_orders,
)
from arb_pipelines.trading.events import OrderKind, TimeInForce
from arb_pipelines.venues.base import OwnFill

D = Decimal
ENGINE = "abc123"
ORDER = StoredOrder(
    client_id="abc123000000-0-0", cycle="abc123000000-0", purpose=Purpose.LEG, leg=0,
    symbol="BTC-USDT", side=BUY, kind=OrderKind.MARKET, time_in_force=TimeInForce.IOC, size=None,
    funds=D(100), price=None, status=OrderStatus.DONE, order_id="v1", filled=D("0.002"),
    funds_filled=D(100), spent=D(100), received=D("0.001998"), fee=D("0.000002"),
    fee_currency="BTC", reason=None, intended_ns=1, ended_ns=2,
)  # fmt: skip
FILLS = [
    OwnFill("abc123000000-0-0", "v1", f"t{n}", "BTC-USDT", BUY, D(50_000), D("0.001"), D(50),
            D("0.000001"), "BTC", n)
    for n in range(2)
]  # fmt: skip


def verdicts(lines: list[Line]) -> set[Verdict]:
    """What the lines come to."""
    return {line.verdict for line in lines}


def test_an_order_filled_in_parts_matches_to_the_last_unit() -> None:
    """A line a currency, with the fee in it and no difference."""
    lines = compare_orders([ORDER], FILLS, ENGINE)
    assert [(line.currency, line.ours, line.theirs) for line in lines] == [
        ("BTC", D("0.001998"), D("0.001998")),
        ("USDT", D(-100), D(-100)),
    ]
    assert verdicts(lines) == {Verdict.MATCHED}
    assert not any(line.difference for line in lines)


@pytest.mark.parametrize(
    ("order", "fills", "verdict", "difference"),
    [
        (ORDER, [], Verdict.OURS_ONLY, {"BTC": D("-0.001998"), "USDT": D(100)}),
        (ORDER, FILLS[:1], Verdict.AMOUNT_DIFFERS, {"BTC": D("-0.000999"), "USDT": D(50)}),
        (
            replace(ORDER, received=D("0.001999"), fee=D("0.000001")),
            FILLS,
            Verdict.FEE_DIFFERS,
            {"BTC": D("-0.000001"), "USDT": D(0)},
        ),
        (
            replace(
                ORDER, status=OrderStatus.LOST, filled=D(0), funds_filled=D(0), spent=D(0),
                received=D(0), fee=D(0), fee_currency=None,
            ),
            FILLS,
            Verdict.THEIRS_ONLY,
            {"BTC": D("0.001998"), "USDT": D(-100)},
        ),
    ],
)  # fmt: skip
def test_each_difference_has_its_name_and_its_amount(
    order: StoredOrder, fills: list[OwnFill], verdict: Verdict, difference: dict[str, Decimal]
) -> None:
    """What the venue says beyond what we say, by currency."""
    lines = compare_orders([order], fills, ENGINE)
    assert verdicts(lines) == {verdict}
    assert {line.currency: line.difference for line in lines} == difference
    assert all(line.why for line in lines)


def test_a_fee_in_another_currency_has_a_line_of_its_own() -> None:
    """The venue took its own token where a fee in what was received is booked."""
    fills = [replace(fill, fee=D("0.01"), fee_currency="KCS") for fill in FILLS]
    lines = compare_orders([ORDER], fills, ENGINE)
    assert verdicts(lines) == {Verdict.FEE_DIFFERS}
    assert {line.currency: line.difference for line in lines} == {
        "BTC": D("0.000002"), "KCS": D("-0.02"), "USDT": D(0),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("client_id", "verdict"),
    [("abc123ffffff-7-1", Verdict.THEIRS_ONLY), ("by-hand", Verdict.OTHERS), ("", Verdict.OTHERS)],
)
def test_what_the_state_does_not_know_is_ours_or_somebody_elses(
    client_id: str, verdict: Verdict
) -> None:
    """The engine's mark tells them apart; an order without a client id goes by the venue's."""
    stranger = replace(FILLS[0], client_id=client_id, order_id="v9")
    lines = compare_orders([ORDER], [*FILLS, stranger], ENGINE)
    assert verdicts(lines) == {Verdict.MATCHED, verdict}
    assert {line.item for line in lines if line.verdict is verdict} == {client_id or "v9"}


def test_an_order_whose_client_id_the_venue_forgot_is_found_by_its_own_id() -> None:
    """Old executions are listed without it."""
    fills = [replace(fill, client_id="") for fill in FILLS]
    assert verdicts(compare_orders([ORDER], fills, ENGINE)) == {Verdict.MATCHED}


def test_an_order_that_came_to_nothing_has_no_line() -> None:
    """Nothing was moved, so there is nothing to explain."""
    nothing = replace(
        ORDER, status=OrderStatus.REFUSED, filled=D(0), funds_filled=D(0), spent=D(0),
        received=D(0), fee=D(0), fee_currency=None,
    )  # fmt: skip
    assert compare_orders([nothing], [], ENGINE) == []


def test_what_no_execution_moved_is_a_deposit_or_gone() -> None:
    """A balance that grew is told as a deposit; one that shrank is for a person to look at."""
    before = Moment(0, {"USDT": D(1000), "ETH": D(2), "BTC": D(1)})
    after = Moment(9, {"USDT": D("1100.5"), "ETH": D(1), "BTC": D("1.1")})
    lines = compare_balances(before, after, {"USDT": D("0.5"), "BTC": D("0.1")})
    assert {line.item: (line.verdict, line.difference) for line in lines} == {
        "BTC": (Verdict.MATCHED, D(0)),
        "ETH": (Verdict.WITHDRAWN, D(-1)),
        "USDT": (Verdict.DEPOSIT, D(100)),
    }
    assert [line.verdict.explained for line in lines] == [True, False, True]


amounts = st.decimals(min_value=D("0.00000001"), max_value=D(10**6), places=8)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["BTC-USDT", "ETH-BTC", "ETH-USDT"]),
            st.sampled_from([BUY, SELL]),
            amounts,
            amounts,
            amounts,
            st.sampled_from(["BTC", "ETH", "USDT", "KCS"]),
        ),
        max_size=12,
    )
)
def test_lines_account_for_every_unit_of_the_venues_executions(
    rows: list[tuple[str, int, Decimal, Decimal, Decimal, str]],
) -> None:
    """Whatever is whose: theirs of all lines is what the executions did to the balances."""
    fills = [
        OwnFill(("", "x", "abc123z")[n % 3], f"v{n // 2}", str(n), *row[:2], row[3] / row[2],
                row[2], row[3], row[4], row[5], n)
        for n, row in enumerate(rows)
    ]  # fmt: skip
    lines = compare_orders([], fills, ENGINE)
    whole = changes_of_fills(fills)
    for currency, by in whole.items():
        assert sum((one.theirs for one in lines if one.currency == currency), D(0)) == by
    balances = compare_balances(Moment(0, {}), Moment(1, whole), whole)
    assert verdicts(balances) <= {Verdict.MATCHED}

"""Whether balances are explained: exactly, and only asked when nothing is under way."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb_pipelines.errors import Fatal, ProtocolViolation, Rejected, Transient, VenueError
from arb_pipelines.execution.orders.balance_watch import BalanceWatch, unexplained

amounts = st.decimals(-1_000, 1_000, places=8)
balances = st.dictionaries(st.sampled_from(["BTC", "ETH", "KCS", "USDT"]), amounts)


@dataclass
class Booked:
    """A session that has booked what it is told to."""

    in_flight: int = 0
    orders: int = 0
    changes: dict[str, Decimal] = field(default_factory=dict)

    def booked(self) -> Mapping[str, Decimal]:
        """Give the changes."""
        return self.changes


@given(before=balances, booked=balances, others=balances)
def test_what_is_unexplained_is_what_somebody_else_did(
    before: dict[str, Decimal], booked: dict[str, Decimal], others: dict[str, Decimal]
) -> None:
    """Whatever was booked and whatever was there, another's change shows, to the last digit."""
    currencies = {*before, *booked, *others}
    now = {of: sum(d.get(of, Decimal(0)) for d in (before, booked, others)) for of in currencies}
    found = unexplained(before, now, booked)  # type: ignore[arg-type]
    for of in currencies:
        assert found.get(of, Decimal(0)) == others.get(of, Decimal(0))


def test_a_comparison_waits_until_nothing_is_in_flight() -> None:
    """It asks nothing while something is out, and drops an answer that an order overtook."""

    async def body() -> None:
        session, account, asked = Booked(), {"USDT": Decimal(100)}, 0
        begins_meanwhile = False

        async def ask() -> Mapping[str, Decimal]:
            nonlocal asked
            asked += 1
            session.orders += begins_meanwhile
            return dict(account)

        watch = BalanceWatch(ask, dict(account))
        assert not await watch.compare()  # nobody trades yet
        watch.add(session)
        account["USDT"] += Decimal("0.7")
        session.changes["USDT"] = Decimal("0.5")
        session.in_flight = 1
        assert not await watch.compare()
        assert asked == 0
        session.in_flight = 0
        begins_meanwhile = True
        assert not await watch.compare()
        assert watch.gauge() == {}
        begins_meanwhile = False
        assert await watch.compare()
        assert watch.unexplained == {"USDT": Decimal("0.2")}
        assert watch.gauge() == {"USDT": 0.2}

    asyncio.run(body())


@pytest.mark.parametrize(
    "error", [Transient("no answer"), Rejected("code 400100"), ProtocolViolation("<html>")]
)
def test_a_venue_that_does_not_answer_is_asked_again(error: VenueError) -> None:
    """A question without an answer is no finding, is told as trouble, and ends nothing."""

    async def body() -> None:
        answers: list[Mapping[str, Decimal]] = [{"BTC": Decimal(1)}]
        troubles: list[str | None] = []

        async def ask() -> Mapping[str, Decimal]:
            troubles.append(watch.trouble)
            if len(troubles) == 1:
                raise error
            return answers[0]

        watch = BalanceWatch(ask, {})
        watch.add(Booked())
        running = asyncio.create_task(watch.run(0.0))
        while not watch.comparisons:
            await asyncio.sleep(0)
        assert str(error) in str(troubles[1])
        assert watch.trouble is None
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert watch.unexplained == {"BTC": Decimal(1)}

    asyncio.run(asyncio.wait_for(body(), 10))


def test_sessions_on_one_account_explain_its_balance_together() -> None:
    """What is in flight for one is for all; what each booked is summed."""

    async def body() -> None:
        async def ask() -> Mapping[str, Decimal]:
            return {"USDT": Decimal(101), "BTC": Decimal(2)}

        one = Booked(1, 3, {"USDT": Decimal("1.5"), "BTC": Decimal(-1)})
        watch = BalanceWatch(ask, {"USDT": Decimal(100), "BTC": Decimal(3)})
        watch.add(one)
        watch.add(Booked(0, 4, {"USDT": Decimal("-0.5")}))
        assert not await watch.compare()
        one.in_flight = 0
        assert await watch.compare()
        assert watch.unexplained == {"BTC": 0, "USDT": 0}

    asyncio.run(body())


def test_a_venue_that_settles_late_is_waited_for_at_the_end() -> None:
    """The end compares until all is explained, and gives up in time where it never is."""

    async def body() -> None:
        answers = [Decimal(0), Decimal(0), Decimal(1)]

        async def ask() -> Mapping[str, Decimal]:
            return {"BTC": answers.pop(0) if len(answers) > 1 else answers[0]}

        watch = BalanceWatch(ask, {})
        watch.add(Booked(changes={"BTC": Decimal(1)}))
        await watch.conclude(10.0)
        assert watch.comparisons == 3
        assert watch.gauge() == {"BTC": 0.0}
        answers[0] = Decimal(3)
        await watch.conclude(0.01)
        assert watch.gauge() == {"BTC": 2.0}

    asyncio.run(asyncio.wait_for(body(), 10))


def test_keys_that_do_no_more_end_comparing_but_not_the_end_of_a_session() -> None:
    """While others may still be stopped it is raised; at the end it is told as trouble."""

    async def body() -> None:
        async def ask() -> Mapping[str, Decimal]:
            raise Fatal("400003 key")

        watch = BalanceWatch(ask, {})
        watch.add(Booked())
        with pytest.raises(Fatal, match="400003"):
            await watch.run(0.0)
        await watch.conclude(10.0)
        assert "400003" in str(watch.trouble)

    asyncio.run(asyncio.wait_for(body(), 10))


def test_one_who_ended_with_something_in_flight_keeps_nobody_from_comparing() -> None:
    """What it left shows as unexplained; what is booked of it late explains it."""

    async def body() -> None:
        left, trading, account = Booked(in_flight=1), Booked(), {"USDT": Decimal(100)}

        async def ask() -> Mapping[str, Decimal]:
            return dict(account)

        watch = BalanceWatch(ask, dict(account))
        watch.add(left)
        watch.add(trading)
        assert not await watch.compare()
        watch.end(left)
        account["USDT"] = Decimal(90)
        assert await watch.compare()
        assert watch.unexplained == {"USDT": Decimal(-10)}
        left.changes["USDT"] = Decimal(-10)
        assert await watch.compare()
        assert watch.unexplained == {"USDT": Decimal(0)}

    asyncio.run(body())

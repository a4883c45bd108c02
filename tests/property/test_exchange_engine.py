"""The local exchange's engine keeps the venue's promises under any sequence of calls.

Nothing is created or lost, nobody is overdrawn, nobody gets more than ordered, books are
not crossed and publish without gaps, a naive matcher agrees with every trade, and an
exchange that goes on from what was kept is equal to the one before.
"""

from __future__ import annotations

from hypothesis import settings

from tests.fakes.exchange_machine import ExchangeMachine

TestExchange = ExchangeMachine.TestCase
TestExchange.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)

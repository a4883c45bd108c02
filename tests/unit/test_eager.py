"""Tasks that begin at once behave as any other task from there on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar

import pytest
import uvloop

from arb_pipelines.eager import begin_now

Body = Callable[[asyncio.TaskGroup], Awaitable[None]]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Body], None]:
    """Run a body within a task group, on the loop of Python or that of sessions."""

    def in_group(body: Body) -> None:
        async def main() -> None:
            async with asyncio.TaskGroup() as tasks:
                await body(tasks)

        make = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop
        with asyncio.Runner(loop_factory=make) as runner:
            runner.run(main())

    return in_group


def test_what_comes_before_the_first_wait_is_done_at_once(run: Callable[[Body], None]) -> None:
    """A task that waits has done its beginning when it is made, and goes on later."""
    done: list[str] = []

    async def work(go: asyncio.Event) -> str:
        done.append("begun")
        await go.wait()
        done.append("ended")
        return "result"

    async def body(tasks: asyncio.TaskGroup) -> None:
        go = asyncio.Event()
        task = begin_now(tasks, work(go), name="a task")
        assert done == ["begun"]
        assert task.get_name() == "a task"
        await asyncio.sleep(0)
        assert done == ["begun"]
        go.set()
        assert await task == "result"
        assert done == ["begun", "ended"]

    run(body)


def test_a_task_that_never_waits_has_its_result(run: Callable[[Body], None]) -> None:
    """One without any wait is over in the next round of the loop."""

    async def body(tasks: asyncio.TaskGroup) -> None:
        async def work() -> int:
            return 7

        assert await begin_now(tasks, work()) == 7

    run(body)


def test_its_errors_are_the_tasks_own() -> None:
    """What is raised before the first wait ends the group, and not who made the task."""

    async def main() -> None:
        async def work() -> None:
            raise ValueError("at once")

        async with asyncio.TaskGroup() as tasks:
            task = begin_now(tasks, work())
            assert not task.done()

    with pytest.raises(ExceptionGroup) as raised:
        asyncio.run(main())
    assert [str(error) for error in raised.value.exceptions] == ["at once"]


def test_who_it_is_and_who_made_it_are_told_apart(run: Callable[[Body], None]) -> None:
    """The running task is the new one while it begins, and the one that made it after."""

    async def body(tasks: asyncio.TaskGroup) -> None:
        seen = []

        async def work() -> None:
            seen.append(asyncio.current_task())
            await asyncio.sleep(0)
            seen.append(asyncio.current_task())

        here = asyncio.current_task()
        task = begin_now(tasks, work())
        assert asyncio.current_task() is here
        await task
        assert seen == [task, task]

    run(body)


def test_it_begins_from_a_callback_too(run: Callable[[Body], None]) -> None:
    """Where no task runs, as in what a protocol calls, it begins just as well."""

    async def body(tasks: asyncio.TaskGroup) -> None:
        made: list[asyncio.Task[str]] = []

        async def work() -> str:
            await asyncio.sleep(0)
            return "result"

        asyncio.get_running_loop().call_soon(lambda: made.append(begin_now(tasks, work())))
        await asyncio.sleep(0)
        assert await made[0] == "result"

    run(body)


def test_time_runs_out_in_a_first_wait(run: Callable[[Body], None]) -> None:
    """A timeout that begins before the first wait ends that wait, and nothing else."""

    async def body(tasks: asyncio.TaskGroup) -> None:
        async def work() -> str:
            try:
                async with asyncio.timeout(0.001):
                    await asyncio.Event().wait()
            except TimeoutError:
                return "late"
            return "early"

        assert await begin_now(tasks, work()) == "late"

    run(body)


def test_cancelled_before_its_task_runs_it_cleans_up(run: Callable[[Body], None]) -> None:
    """What it has begun is ended by the cancellation, though the task never had its turn."""

    async def body(tasks: asyncio.TaskGroup) -> None:
        seen: list[str] = []

        async def work() -> None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                seen.append("cancelled")
                raise
            finally:
                seen.append("cleaned")

        task = begin_now(tasks, work())
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert seen == ["cancelled", "cleaned"]

    run(body)


def test_cancelled_when_it_is_over_it_stays_as_it_ended(run: Callable[[Body], None]) -> None:
    """One that needed no wait has its result, though somebody cancels it at once."""

    async def body(tasks: asyncio.TaskGroup) -> None:
        async def work() -> str:
            return "result"

        task = begin_now(tasks, work())
        task.cancel()
        assert await task == "result"

    run(body)


def test_it_has_the_context_of_who_made_it(run: Callable[[Body], None]) -> None:
    """Variables of the context are seen, and what it sets is its own, before and after a wait."""
    where: ContextVar[str] = ContextVar("where")

    async def body(tasks: asyncio.TaskGroup) -> None:
        async def work() -> list[str]:
            first = where.get()
            where.set("there")
            await asyncio.sleep(0)
            return [first, where.get()]

        where.set("here")
        task = begin_now(tasks, work())
        assert where.get() == "here"
        assert await task == ["here", "there"]

    run(body)


def test_two_may_wait_for_the_same_first(run: Callable[[Body], None]) -> None:
    """Each hears of it, though both waited before either had its turn."""

    async def body(tasks: asyncio.TaskGroup) -> None:
        shared = asyncio.get_running_loop().create_future()

        async def work() -> str:
            return str(await shared)

        waiting = [begin_now(tasks, work()) for _ in range(2)]
        asyncio.get_running_loop().call_later(0.001, shared.set_result, "result")
        assert [await task for task in waiting] == ["result", "result"]

    run(body)


def test_cancelled_before_its_turn_it_cancels_what_it_waits_for(
    run: Callable[[Body], None],
) -> None:
    """As a task that has run would."""

    async def body(tasks: asyncio.TaskGroup) -> None:
        inner = tasks.create_task(asyncio.sleep(60))

        async def work() -> None:
            await inner

        begin_now(tasks, work()).cancel()
        with pytest.raises(asyncio.CancelledError):
            await inner

    run(body)

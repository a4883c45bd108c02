"""The way of a signal from outside to the desk: the checks before the gate, and the answer.

    paused? ─► valid? ─► stale? ─► volume? ─► the desk: isolation, slots, risk ─► plan

A signal comes as a line of the socket or, from a scanner in the same process, as a value.
What comes through is the same ``CycleSignal`` that a strategy gives, and meets the same gate.

The books attached count only where they are newer than what the session saw, by the
venue's time. They are put on the desk's shelf without a market event, since that would
have the strategy signal by itself; so whatever is planned is planned on books no older
than the signal's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import msgspec

from arb_pipelines.clock import NS_PER_MS
from arb_pipelines.containers.bus import EventBus
from arb_pipelines.errors import DataError, InvariantBroken
from arb_pipelines.execution.control.board import execution_number
from arb_pipelines.execution.controls import Controls
from arb_pipelines.execution.orders.own_trades import OwnTrades
from arb_pipelines.execution.signals.checks import SessionTerms, book_of, too_small
from arb_pipelines.execution.signals.history import SignalHistory
from arb_pipelines.execution.signals.wire import SignalAnswer, WireSignal, decode_signal
from arb_pipelines.trading.book_shelf import BookShelf
from arb_pipelines.trading.events import Book, CycleSignal, Ended, Order, Refused, Signal

#: What the desk's own reasons mean to a sender.
_DETAILS = {
    "stale": "the session's book of a leg is older than the strategy's max_age_ms; attach newer",
    "cool_down": "these symbols traded less than the strategy's cool_down_ms ago; send later",
    "max_executions": "the session has begun as many executions as its max_executions allows",
    "slots": "as many executions are in flight as there are slots; send later",
    "triangle": "the same symbols are in flight; send when that has ended",
    "symbol": "one of its symbols is in flight; send when that has ended",
    "start_currency": "its start currency is in flight; send when that has ended",
    "funds": "nothing of its start currency is free; send later",
    "depth": "what is left of the books earns less than min_profit_bps; send a better one",
    "minimum": "at the profitable size a leg falls below an increment or a minimum",
    "edge": "after rounding it earns less than min_profit_bps; send a better one",
    "paused": "the session is paused; resume it with `arb session resume`",
    "stopping": "the session is stopping and takes no more signals",
}


@dataclass(frozen=True, slots=True)
class SignalRefused:
    """A signal from outside that did not reach the desk; told on the session's bus.

    Those that the desk refuses are told as any: ``Refused``, or ``Ended`` as declined.
    """

    ts: int
    correlation_id: str | None
    reason: str
    detail: str


class _Id(msgspec.Struct):
    correlation_id: object = None


class SignalIntake:
    """Takes signals from outside for one session and answers each at once.

    ``hand_over`` brings signals to the desk, whose verdict is heard on ``bus``; never call
    it from a handler of that bus. ``id_prefix`` is that of the order manager's client ids.
    """

    def __init__(
        self,
        strategy: str,
        terms: SessionTerms,
        shelf: BookShelf,
        own: OwnTrades,
        controls: Controls,
        hand_over: Callable[[Iterable[Signal]], object],
        bus: EventBus,
        *,
        signal_age_ms: float,
        wall_ns: Callable[[], int],
        id_prefix: str = "",
    ) -> None:
        self._strategy, self._terms, self._shelf, self._own = strategy, terms, shelf, own
        self._controls, self._hand_over, self._bus = controls, hand_over, bus
        self._age_ns, self._wall_ns = round(signal_age_ms * NS_PER_MS), wall_ns
        self._prefix = id_prefix
        self.taken = self.accepted = 0
        self.refused: Counter[str] = Counter()
        self._history = SignalHistory(terms.traded, shelf, bus)
        self._current: CycleSignal | None = None
        self._verdicts: list[int | str] = []
        self._detail: str | None = None
        bus.subscribe(Refused, self._on_refused)
        bus.subscribe(Order, self._on_order)
        bus.subscribe(Ended, self._on_ended)

    def take_line(self, line: bytes) -> SignalAnswer:
        """Take a signal as a line of JSON; a line that is none is refused as ``invalid``."""
        if self._closed() is not None:
            return self._refuse_closed(_id_of(line))
        try:
            signal = decode_signal(line)
        except DataError as error:
            self.taken += 1
            return self._refuse(_id_of(line), "invalid", str(error))
        return self.take(signal)

    def take(self, signal: WireSignal) -> SignalAnswer:
        """Take a signal: its execution's number, or the reason why there is none."""
        if self._closed() is not None:
            return self._refuse_closed(signal.correlation_id)
        self.taken += 1
        now, name = self._wall_ns(), signal.correlation_id
        traded = self._terms.traded
        try:
            cycle = self._terms.cycle_of(signal)
            book_ns = min(now, int(signal.book_ts_ms * NS_PER_MS))
            books = [book_of(signal, k, book_ns, book_ns) for k in range(len(signal.legs))]
            self._check_unknown(name)
        except DataError as error:
            return self._refuse(name, "invalid", str(error))
        stale = self._stale(signal, cycle, now)
        if stale is not None:
            return self._refuse(name, "stale", stale)
        newer = [book for book in books if book_ns > self._history.known_ns(book.symbol)]
        small = too_small(signal, cycle, traded, self._shelf, {book.symbol: book for book in newer})
        if small is not None:
            return self._refuse(name, "volume", small)
        if not self._history.is_isolated(cycle):  # else the desk refuses it, in its own words
            for book in newer:  # whether it shows the trade of an order that is out is not known
                if self._own.is_out(book.symbol):
                    return self._refuse(name, "symbol", f"{book.symbol}: {_DETAILS['symbol']}")
            for book in newer:
                self._show(book)
        product = 1.0 + float(signal.predicted_bps) / 1e4
        most = float(signal.starting_volume)
        return self._ask_desk(CycleSignal(now, self._strategy, cycle, product, most, book_ns, name))

    # -- the checks --------------------------------------------------------------------

    def _closed(self) -> str | None:
        """Name why nothing is taken now, if so."""
        controls = self._controls
        if controls.stopping.is_set():
            return "stopping"
        return "paused" if controls.paused is not None else None

    def _stale(self, signal: WireSignal, cycle: int, now: int) -> str | None:
        oldest, newest = int(signal.oldest_ms * NS_PER_MS), int(signal.ts_ms * NS_PER_MS)
        ahead = max(newest, int(signal.book_ts_ms * NS_PER_MS)) - now
        if now - oldest > self._age_ns:
            return (
                f"it is {(now - oldest) / NS_PER_MS:.1f} ms old, the session's signal_age_ms is "
                f"{self._age_ns / NS_PER_MS:g}; send it at once"
            )
        if ahead > self._age_ns:
            return f"it is {ahead / NS_PER_MS:.1f} ms ahead of this machine; set the clocks right"
        traded_until = self._history.traded_until(cycle)
        if traded_until is not None and oldest <= traded_until:
            return (
                f"its symbols traded until {(traded_until - oldest) / NS_PER_MS:.1f} ms after it "
                "was made; judge the books of after that trade"
            )
        return None

    def _check_unknown(self, name: str) -> None:
        known = self._history.execution_of(name)
        if known is not None:
            raise DataError(
                f"{name!r} was accepted before, as execution {known}; give each signal its own",
                source="correlation_id",
            )

    # -- books -------------------------------------------------------------------------

    def _show(self, book: Book) -> None:
        """Put a book on the desk's shelf, if it shows more than what we took ourselves."""
        news = self._own.admit(book)
        if news is not None:
            self._shelf.show(self._terms.traded.number[book.symbol], news)
        self._history.note_book(book)

    # -- the desk's verdict ------------------------------------------------------------

    def _ask_desk(self, signal: CycleSignal) -> SignalAnswer:
        self._current = signal
        self._verdicts.clear()
        self._detail = None
        try:
            self._hand_over([signal])
        finally:
            self._current = None
        if not self._verdicts:
            raise InvariantBroken(f"the desk gave no verdict on {signal}")
        verdict, name = self._verdicts[0], signal.correlation_id
        if isinstance(verdict, int):
            self.accepted += 1
            self._history.note_accepted(name or "", verdict)
            return SignalAnswer(name, True, execution=verdict)
        self.refused[verdict] += 1
        detail = self._detail or _DETAILS.get(verdict, verdict)
        return SignalAnswer(name, False, reason=verdict, detail=detail)

    def _on_refused(self, refused: Refused) -> None:
        if refused.signal is self._current:
            self._verdicts.append(refused.reason)
            self._detail = refused.detail

    def _on_order(self, order: Order) -> None:
        if self._current is not None:
            self._verdicts.append(execution_number(order.client_id, self._prefix))

    def _on_ended(self, ended: Ended) -> None:
        if ended.declined is not None and ended.approved.signal is self._current:
            self._verdicts.append(ended.declined)

    # -- answers -----------------------------------------------------------------------

    def _refuse_closed(self, name: str | None) -> SignalAnswer:
        self.taken += 1
        reason = self._closed() or "paused"
        why = self._controls.stop_reason if reason == "stopping" else self._controls.paused
        return self._refuse(name, reason, f"{_DETAILS[reason]} ({why})")

    def _refuse(self, name: str | None, reason: str, detail: str) -> SignalAnswer:
        self.refused[reason] += 1
        self._bus.publish(SignalRefused(self._wall_ns(), name, reason, detail))
        return SignalAnswer(name, False, reason=reason, detail=detail)


def _id_of(line: bytes) -> str | None:
    """Read the id of a line that may be wrong in all else."""
    try:
        name = msgspec.json.decode(line, type=_Id).correlation_id
    except (ValueError, RecursionError):
        return None
    return name if isinstance(name, str) else None

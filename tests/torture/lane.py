"""One account and its engine, killed and started again: a lane on which cases run in turn.

The engine that recovers from one case is the engine that the next case kills, so that a case
costs one start. A lane whose audit found something begins anew with a home of its own, since
the next audit would find it again.
"""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Self

from tests.torture.audit import Findings, audit, check_intents
from tests.torture.processes import ExchangeHost, Forked, plan, start_engine
from tests.torture.signals import Peer, connect, show_books
from tests.torture.state_file import Kept, Step, read_state, tear
from tests.torture.strategy import Rules, strategy
from tests.torture.venue import VenueClient

BALANCE = "USDT=100000,BTC=10,ETH=100,SOL=1000,XRP=100000"
#: Every cycle has to have ended so long after the restart; the audit waits a little longer.
TERMINAL_S, _PATIENCE_S = 10.0, 12.0
_START_S = 30.0
#: A home is left after so many starts: each adds the folder of a session.
_STARTS_A_HOME = 25
#: Homes of failed cases that are kept.
_KEPT = 20
#: What an order on its way at the moment of a kill takes to arrive.
_ARRIVES_S = 0.02
_LOOK_S = 0.01


@dataclass(frozen=True, slots=True)
class Restarted:
    """What came of a restart: seconds until every cycle had ended, and what is wrong.

    ``cut`` is how many cycles the kill had cut short; ``steps`` are the changes of state that
    the state file has of all its cycles.
    """

    cut: int
    terminal_s: float
    found: Findings
    steps: Collection[Step]


@dataclass(slots=True)
class Lane:
    """Home, exchange and engine in ``folder``; ``rules`` are added to the strategy's.

    ``symbols`` are those that the lane's cycles trade.
    """

    folder: Path
    symbols: Sequence[str]
    rules: Rules = field(default_factory=dict)
    break_it: Callable[[], None] | None = None
    exchange: ExchangeHost = field(init=False)
    client: VenueClient = field(init=False)
    home: Path = field(init=False)
    engine: Forked | None = field(default=None, init=False)
    peer: Peer | None = field(default=None, init=False)
    _homes: int = field(default=0, init=False)
    _starts: int = field(default=0, init=False)
    _since_ms: int = field(default=0, init=False)
    _failures: list[str] = field(default_factory=list, init=False)
    _before: Mapping[str, Decimal] = field(default_factory=dict, init=False)

    def __enter__(self) -> Self:
        """Start the exchange, and an engine on it."""
        self.exchange = ExchangeHost(self.folder, BALANCE, symbols=9)
        self.client = VenueClient(self.exchange.rest)
        self._start_exchange()
        self._new_home()
        return self

    def __exit__(self, *raised: object) -> None:
        """End all processes."""
        self.kill()
        self.exchange.kill()

    def ready(self) -> Peer:
        """Give the socket of an engine that has nothing in flight, with fresh books."""
        if self.engine is None or not self.engine.alive() or self._starts >= _STARTS_A_HOME:
            self._new_home()
        self.client.arm(())
        show_books(self.client, self.symbols)
        assert self.peer is not None
        return self.peer

    def kill(self) -> None:
        """Kill the engine, unless it is dead; what else ended it is in the next audit."""
        if self.peer is not None:
            self.peer.close()
            self.peer = None
        if self.engine is not None:
            self.engine.kill()
            if self.engine.code != -signal.SIGKILL:
                self._failures.append(_said(self.engine))
            self.engine = None

    def restart(
        self,
        *,
        venue_too: bool = False,
        torn: bool = False,
        dying: Mapping[str, object] | None = None,
    ) -> Restarted:
        """Start the engine that was killed, wait until every cycle has ended, and audit.

        The exchange is killed and started before it with ``venue_too``; the state file loses
        its last frame with ``torn``. ``dying`` is the plan of an engine that is started before,
        to die while it recovers.
        """
        found = Findings(unexplained=self._failures)
        self._failures = []
        if venue_too:
            self.exchange.kill()
            self._start_exchange()
        cut = len(self._check_intents(found).open)
        if torn:
            tear(self.home)
        if dying is not None:
            plan(self.home, when="start", **dying)
            self._start()
            self.kill()
            self._check_intents(found)
        plan(self.home, when="never")
        terminal_s = self._start()
        time.sleep(_ARRIVES_S)  # what a recovery that thinks it is over would still send
        records, kept = self.client.records(self.symbols, self._since_ms), self.kept()
        audit(records, kept, self._before, found)
        if terminal_s > TERMINAL_S:
            found.lost.append(f"{terminal_s:.1f} s until every cycle had ended")
        if found:
            self._keep_for_reading()
        return Restarted(cut, terminal_s, found, kept.steps)

    def kept(self) -> Kept:
        """Read the engine's state file."""
        return read_state(self.home)

    def _start_exchange(self) -> None:
        """Start it, with a rate budget that the audits of one case after the other leave alone."""
        self.exchange.start()
        self.client.operate(
            "POST", "/limits", dict.fromkeys(("spot", "management", "public"), 10**6)
        )

    def _check_intents(self, found: Findings) -> Kept:
        """See that what the dead engine sent was written down, at books that are fresh again."""
        time.sleep(_ARRIVES_S)
        self.client.arm(())
        show_books(self.client, self.symbols)
        kept = self.kept()
        check_intents(self.client.records(self.symbols, self._since_ms), kept, found)
        return kept

    def _start(self) -> float:
        """Start an engine; give the seconds until it listens and every cycle has ended."""
        began, terminal_s = time.monotonic(), 0.0
        self._starts += 1
        file = self.home / "torture.yaml"
        self.engine = engine = start_engine(self.home, file, self.exchange.rest, self.break_it)
        while True:
            waited_s = time.monotonic() - began
            if self.peer is None:
                self.peer = connect(self.home / "sessions")
            if self.peer is not None and not self.kept().open:
                terminal_s = waited_s
                break
            if waited_s > (_START_S if self.peer is None else _PATIENCE_S) or not engine.alive():
                terminal_s = max(waited_s, TERMINAL_S + 1e-3)
                break
            time.sleep(_LOOK_S)
        if self.peer is not None:
            self.peer.say({"op": "subscribe"})
            self.peer.hear(1.0)
        return terminal_s

    def _new_home(self) -> None:
        self.kill()
        self._homes += 1
        self._starts = 0
        self.home = self.folder / f"home{self._homes}"
        self.home.mkdir(parents=True)
        (self.home / "torture.yaml").write_text(strategy(self.rules))
        if self._homes > 1:
            shutil.rmtree(self.folder / f"home{self._homes - 1}", ignore_errors=True)
        self.client.arm(())
        self.client.cancel_all()
        show_books(self.client, self.symbols)
        self._since_ms = time.time_ns() // 1_000_000 + 1
        time.sleep(0.002)
        self._before = self.client.records((), self._since_ms).free
        plan(self.home, when="never")
        self._start()
        assert self.engine is not None
        assert self.engine.alive(), (self.home / "engine.log").read_text()[-2000:]

    def _keep_for_reading(self) -> None:
        """Leave the home of a failure where a person finds it, and go on in another."""
        self.kill()
        failed = self.folder / "failed"
        failed.mkdir(exist_ok=True)
        if len(list(failed.iterdir())) < _KEPT:
            ignored = shutil.ignore_patterns("lake*", "*.sock")
            shutil.copytree(self.home, failed / f"{time.time_ns()}", ignore=ignored)


def _said(engine: Forked) -> str:
    """Tell how an engine ended that nobody killed."""
    last = engine.log.read_text(encoding="utf-8").splitlines()[-3:]
    return f"the engine ended by itself, with code {engine.code}: {' | '.join(last)}"

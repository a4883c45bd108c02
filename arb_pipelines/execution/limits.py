"""Where a session stops by itself: losses, number of executions, kill switch files.

What counts is read back from the session's folder when a session goes on under its key, or
continues a lost one as ``restart: true`` has it, with what was found out of executions that
were cut short: those restarts make no room. A session that somebody asks for anew begins at
nothing. Executions that are in flight when a limit is reached settle as ever; what they lose
comes on top.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from arb_pipelines.execution.controls import Controls
from arb_pipelines.trading.session_rules import SessionRules

KILL_FILE = "KILL"
_LOOK_EVERY_S = 0.2


@dataclass(frozen=True, slots=True)
class Spent:
    """What counts against limits: executions begun, and profit by start currency."""

    executions: int = 0
    profit: Mapping[str, float] = field(default_factory=dict)

    def __add__(self, other: Spent) -> Spent:
        names = {*self.profit, *other.profit}
        return Spent(
            self.executions + other.executions,
            {name: self.profit.get(name, 0.0) + other.profit.get(name, 0.0) for name in names},
        )


#: Of a session that begins.
NOTHING = Spent()


class SessionLimits:
    """Counts, and stops the session by its controls; ``before`` is what counted already."""

    def __init__(self, rules: SessionRules, controls: Controls, before: Spent = NOTHING) -> None:
        self._most, self._max_loss = rules.max_executions, rules.max_loss
        self._controls = controls
        self._executions = before.executions
        self._profit = defaultdict(float, before.profit)
        self._in_flight = 0
        for currency in self._profit:
            self._check_loss(currency)
        self._check_done()

    @property
    def spent(self) -> Spent:
        """What counts so far."""
        return Spent(self._executions, dict(self._profit))

    def refusal(self) -> str | None:
        """Name the limit that lets nothing more begin; ``None`` if there is room."""
        return "max_executions" if self._is_full() else None

    def on_begun(self) -> None:
        """Count an execution that is approved."""
        self._executions += 1
        self._in_flight += 1

    def on_ended(self, *, declined: bool) -> None:
        """Note that one has ended; one that sent no order is none."""
        self._in_flight -= 1
        self._executions -= declined
        self._check_done()

    def on_profit(self, currency: str, profit: float) -> None:
        """Add what an execution brought, in its start currency; a residual counts nothing."""
        self._profit[currency] += profit
        self._check_loss(currency)

    def _is_full(self) -> bool:
        return self._most is not None and self._executions >= self._most

    def _check_done(self) -> None:
        if self._is_full() and not self._in_flight:
            self._controls.stop(f"max_executions: {self._executions} of {self._most}")

    def _check_loss(self, currency: str) -> None:
        most, lost = self._max_loss.get(currency), -self._profit[currency]
        if most is not None and lost >= most:
            self._controls.stop(f"max_loss: {lost:.8g} of {most:g} {currency} are lost")


def kill_files(sessions: Path, key: str) -> tuple[Path, Path]:
    """Give the files that stop a session by being there: that of all, and its own."""
    return sessions.parent / KILL_FILE, sessions / key / KILL_FILE


def found_kill_file(files: Iterable[Path]) -> Path | None:
    """Give the first of the files that is there."""
    return next((file for file in files if file.exists()), None)


async def watch_kill_files(files: Iterable[Path], stop: Callable[[str], object]) -> None:
    """Look for the files five times a second until one is there; then stop, by what it says."""
    files = tuple(files)
    while (found := found_kill_file(files)) is None:
        await asyncio.sleep(_LOOK_EVERY_S)
    stop(f"kill switch: {found}{_said_in(found)}")


def _said_in(file: Path) -> str:
    """Give the newest line of a kill switch file; it may be empty, or gone again."""
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return ""
    said = [line.strip() for line in lines if line.strip()]
    return f": {said[-1]}" if said else ""

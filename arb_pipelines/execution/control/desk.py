"""Answers the lines of a session's socket: signals to the intake, requests of people here.

Every line gets one line, in order. Reports of executions go to who subscribed, when they
end. What is changed is changed through ``Controls``, as limits and signals do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, assert_never

import msgspec
from pydantic import SecretStr

from arb_pipelines.clock import NS_PER_S, iso
from arb_pipelines.containers.bus import EventBus
from arb_pipelines.errors import ConfigError, DataError, Transient
from arb_pipelines.execution.control.board import Board, ReportTold
from arb_pipelines.execution.control.requests import (
    Add,
    CancelExecutions,
    Config,
    ControlUsed,
    Health,
    InFlight,
    Pause,
    Replace,
    Reports,
    Request,
    Resume,
    Slots,
    Stop,
    Subscribe,
    Uptime,
    decode_request,
)
from arb_pipelines.execution.control.unix_socket import Client
from arb_pipelines.execution.controls import Controls
from arb_pipelines.execution.risk.keeper import RiskKeeper
from arb_pipelines.execution.risk.pauses import standing_facts
from arb_pipelines.execution.signals.intake import SignalIntake
from arb_pipelines.execution.signals.wire import SignalAnswer

Facts = Mapping[str, Any]
#: Have a strategy's file traded, instead of this session's (true) or beside it; gives the key.
Bring = Callable[[Path, bool], str]


class _Op(msgspec.Struct):
    op: object = msgspec.UNSET


class ControlDesk:
    """Answers for one session.

    ``cancel`` has an execution brought home and says whether that changes anything;
    ``config`` is what is shown of the session, ``strategy_slots`` the slots it allows;
    ``health`` gives what others know of how it is. ``keeper`` has the pauses that are kept with
    the strategy, where there is a state to keep them in; ``bring`` has other strategies traded.
    """

    def __init__(
        self,
        intake: SignalIntake,
        board: Board,
        controls: Controls,
        bus: EventBus,
        *,
        cancel: Callable[[int], bool],
        config: Facts,
        strategy_slots: int,
        wall_ns: Callable[[], int],
        health: Callable[[], Facts] = dict,
        keeper: RiskKeeper | None = None,
        bring: Bring | None = None,
    ) -> None:
        self._intake, self._board, self._controls, self._bus = intake, board, controls, bus
        self._cancel, self._config, self._slots = cancel, config, strategy_slots
        self._wall_ns, self._health, self._keeper = wall_ns, health, keeper
        self._bring = bring
        self._started = wall_ns()
        self._subscribed: list[Client] = []
        self._op = msgspec.json.Decoder(_Op)
        self._encode = msgspec.json.Encoder(enc_hook=_shown).encode
        bus.subscribe(ReportTold, self._on_report)

    def answer(self, line: bytes, client: Client) -> bytes:
        """Answer a line, whatever it is."""
        try:
            asked = self._op.decode(line).op
        except (ValueError, RecursionError):
            asked = msgspec.UNSET  # the intake says what is wrong with it
        if asked is msgspec.UNSET:
            return self._encode(self._intake.take_line(line))
        try:
            told = self._carry_out(decode_request(line), client)
        except (DataError, ConfigError, Transient, OSError) as error:  # a full disk is the asker's
            return self._encode({"op": asked, "ok": False, "detail": str(error)})
        return self._encode({"op": asked, "ok": True, **told})

    def refusal(self, detail: str) -> bytes:
        """Make the answer to what is not even a line."""
        return self._encode(SignalAnswer(None, False, reason="invalid", detail=detail))

    # -- requests ----------------------------------------------------------------------

    def _carry_out(self, request: Request, client: Client) -> Facts:
        match request:
            case Pause(reason):
                return self._pause(request)
            case Resume(reason):
                return self._resume(request)
            case CancelExecutions(execution):
                return self._cancel_all(execution)
            case Slots(slots):
                return self._set_slots(slots)
            case InFlight():
                return {"in_flight": self._board.in_flight()}
            case Reports(last):
                return {"reports": self._board.reports(last)}
            case Config():
                return {"config": self._config}
            case Uptime():
                now = self._wall_ns()
                since = (now - self._started) / NS_PER_S
                return {"started": iso(self._started), "now": iso(now), "uptime_s": since}
            case Health():
                return self._how_it_is()
            case Stop(reason):
                self._controls.stop(reason)
                return self._used("stop", reason)
            case Replace(strategy) | Add(strategy):
                return self._bring_in(strategy, instead=isinstance(request, Replace))
            case Subscribe():
                self._subscribe(client)
                return {}
            case _:
                assert_never(request)

    def _pause(self, request: Pause) -> Facts:
        if not request.keep:
            self._controls.paused = request.reason
        elif self._keeper is None:
            raise ConfigError("keeps no state to pause its strategy in", source="session")
        else:
            self._keeper.pause_by(request.who, request.reason)
        return self._used("pause", request.reason)

    def _resume(self, request: Resume) -> Facts:
        pause = None if self._keeper is None else self._keeper.pause
        if self._keeper is not None and pause is not None:
            if request.reason is None:
                raise ConfigError(
                    f"is paused by {pause.by}: {pause.why}; resume with a reason",
                    source="strategy",
                )
            self._keeper.resume_by(request.who, request.reason)
        self._controls.paused = None
        return self._used("resume", request.reason)

    def _used(self, op: str, argument: str | None) -> Facts:
        self._bus.publish(ControlUsed(self._wall_ns(), op, argument))
        return {"state": self._state()}

    def _cancel_all(self, execution: int | None) -> Facts:
        flying = [flight.execution for flight in self._board.in_flight()]
        wanted = flying if execution is None else [execution]
        cancelled = [number for number in wanted if self._cancel(number)]
        for number in cancelled:
            self._board.note_cancelled(number)
        self._used("cancel", None if execution is None else str(execution))
        left = {
            number: "its last orders are out" if number in flying else "it is not in flight"
            for number in wanted
            if number not in cancelled
        }
        return {"cancelled": cancelled, "left": left}

    def _set_slots(self, slots: int | msgspec.UnsetType | None) -> Facts:
        if not isinstance(slots, msgspec.UnsetType):
            self._controls.slots = slots
            self._used("slots", str(slots))
        bound, allowed = self._controls.slots, self._slots
        return {
            "slots": allowed if bound is None else min(bound, allowed),
            "strategy_slots": allowed,
            "in_flight": len(self._board.in_flight()),
        }

    def _how_it_is(self) -> Facts:
        return {
            "state": self._state(),
            "reason": self._controls.stop_reason or self._controls.paused or self._risk_pause(),
            "in_flight": len(self._board.in_flight()),
            "signals": self._intake.taken,
            "accepted": self._intake.accepted,
            "refused": dict(self._intake.refused),
            "risk": None if self._keeper is None else standing_facts(self._keeper.standing()),
            **self._health(),
        }

    def _bring_in(self, strategy: str, *, instead: bool) -> Facts:
        if self._bring is None:
            raise ConfigError("its process takes in no other strategy", source="session")
        key = self._bring(Path(strategy), instead)
        return {"session": key, **self._used("replace" if instead else "add", strategy)}

    def _subscribe(self, client: Client) -> None:
        others = [one for one in self._subscribed if one.connected and one is not client]
        self._subscribed = [*others, client]

    def _on_report(self, report: ReportTold) -> None:
        if not self._subscribed:
            return
        line = self._encode({"op": "report", **msgspec.structs.asdict(report)})
        self._subscribed = [client for client in self._subscribed if client.connected]
        for client in self._subscribed:
            client.tell(line)

    def _state(self) -> str:
        if self._controls.stopping.is_set():
            return "stopping"
        paused = self._controls.paused or self._risk_pause()
        return "running" if paused is None else "paused"

    def _risk_pause(self) -> str | None:
        pause = None if self._keeper is None else self._keeper.pause
        return None if pause is None else f"{pause.check}: {pause.why}"


def _shown(value: object) -> object:
    """Show what JSON has no word for; a secret is never shown."""
    if isinstance(value, SecretStr):
        return "**********"
    if isinstance(value, Path):
        return str(value)
    raise NotImplementedError(f"{type(value).__name__} cannot be told over a socket")

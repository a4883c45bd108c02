"""Opening a state file to write it: its lock, its form, its log, and a reserve of the disk.

How it is opened to be read is in ``reader``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Literal

import structlog
from pydantic import SecretStr

from arb_pipelines.clock import now_ns
from arb_pipelines.errors import InvariantBroken, Transient
from arb_pipelines.execution.locks import held
from arb_pipelines.execution.records.reserve import reserved
from arb_pipelines.execution.state.checkpoints import Checkpoints
from arb_pipelines.execution.state.database import Database, check_whole
from arb_pipelines.execution.state.intents import intent_log
from arb_pipelines.execution.state.migrate import migrate
from arb_pipelines.execution.state.store import StateStore

Durability = Literal["process", "power"]

#: Room on the disk for some hundred steps of what is in flight when the disk is full.
_RESERVE_BYTES = 4 << 20
#: What is left of the log when it begins anew.
_LONGEST_LOG_BYTES = 16 << 20

_log = structlog.get_logger()


@contextmanager
def open_state(
    path: Path,
    *,
    key: SecretStr | None = None,
    durability: Durability = "process",
    holder: str = "an engine",
    wall_ns: Callable[[], int] = now_ns,
) -> Iterator[StateStore]:
    """Open a state file to write it, and bring it to this version's form.

    One at a time has it: ``holder`` is what others who ask for it are told of this one.
    With ``key`` the file is encrypted.

    Raises:
        ConfigError: another has it; it is another version's, or no state file; or the key does
            not open it.
        DataError: it is damaged.
        Transient: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    database = Database(path, key)
    with ExitStack() as opened:
        opened.enter_context(held(path.parent, path.name, holder))
        db = opened.enter_context(closing(database.connect()))
        check_whole(db, database)
        for pragma in (
            "journal_mode = WAL",
            f"synchronous = {'FULL' if durability == 'power' else 'NORMAL'}",
            "wal_autocheckpoint = 0",
            f"journal_size_limit = {_LONGEST_LOG_BYTES}",
        ):
            db.execute(f"PRAGMA {pragma}")
        migrate(db, path)
        checkpoints = opened.enter_context(Checkpoints(database))
        reserve = opened.enter_context(reserved(path.with_suffix(".reserve"), _RESERVE_BYTES))
        store = StateStore(db, wall_ns, committed=checkpoints.wrote, reserve=reserve)
        store.take_lease(path, holder)
        plain_and_quick = key is None and durability == "process"
        _keep_intents(store, path.with_suffix(".intents"), opened, kept=plain_and_quick)
        try:
            yield store
        finally:
            store.end_lease()


def _keep_intents(store: StateStore, path: Path, opened: ExitStack, *, kept: bool) -> None:
    """Bring over what the log of intents has, and keep one where this state has one.

    One that the state refuses keeps no engine from starting: the venue knows the order.

    Raises:
        Transient: log or state cannot be written.
    """
    if not kept and not path.exists():
        return
    try:
        with ExitStack() as reading:
            log = reading.enter_context(intent_log(path))
            for intent in log.read():
                try:
                    why = None if store.bring_over(intent) else "its cycle is not open here"
                except InvariantBroken as broken:
                    why = str(broken)
                if why is not None:
                    _log.error("state.intent_left_out", order=intent.order.client_id, why=why)
            log.clear()
            if kept:
                opened.push(reading.pop_all())
    except OSError as error:
        raise Transient(f"{path} cannot be written: {error.strerror}") from None
    store.intents = log if kept else None

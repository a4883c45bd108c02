"""What came before a session: its own earlier starts, the lost session that it continues, and
what others left on the account.

How a journal is read belongs to ``execution``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

import msgspec
import orjson

from arb_pipelines.execution.limits import NOTHING, Spent
from arb_pipelines.execution.records.journal_reading import journal_lines
from arb_pipelines.execution.spent import read_spent
from arb_pipelines.research.session_requests import RequestFile, SessionRequest
from arb_pipelines.yaml_files import read_model


def earlier_folders(sessions: Path, request: SessionRequest) -> list[Path]:
    """Give the folders of a session, of the lost one that it continues, and so on.

    Raises:
        ConfigError: the request in a folder on the way cannot be read.
    """
    found: list[Path] = []
    key: str | None = request.key
    while key is not None and sessions / key not in found:
        folder = sessions / key
        found.append(folder)
        kept = folder / "request.yaml"
        if key == request.key:
            key = request.continues
        else:
            key = read_model(kept, RequestFile).continues if kept.exists() else None
    return found


def spent_before(folders: Iterable[Path]) -> Spent:
    """Add up what their journals tell."""
    spent = NOTHING
    for folder in folders:
        spent += read_spent(folder)
    return spent


def left_on_account(sessions: Path, venue: str, account: str, but: Collection[Path]) -> list[Path]:
    """Give the folders of an account's sessions that may have left something, oldest first.

    Those that said at their end that nothing was left are none of them. Whoever asks holds
    the account's lock, so that only the sessions it hosts itself, to be named in ``but``, run.
    """
    began = []
    for folder in sessions.glob("*/journal.ndjson"):
        if folder.parent in but or _left_nothing(folder.parent):
            continue
        first = next((line for line in journal_lines(folder.parent, _Began) if line.began), None)
        if first is not None and (first.venue, first.account) == (venue, account):
            began.append((first.ts_ns, folder.parent))
    return [folder for _, folder in sorted(began)]


class _Began(msgspec.Struct):
    """``{"ts_ns":1,"event":"began","venue":"kucoin","account":"0123456789abcdef",…}``"""

    event: str
    ts_ns: int = 0
    venue: str = ""
    account: str = ""

    @property
    def began(self) -> bool:
        """Whether it is this event."""
        return self.event == "began"


def _left_nothing(folder: Path) -> bool:
    try:
        said = orjson.loads((folder / "heartbeat.json").read_bytes())
    except (OSError, ValueError):
        return False
    ended = said.get("state") in ("ended", "failed")
    left = said.get("open_orders") or said.get("unrecovered")
    return ended and said.get("in_flight") == 0 and not left

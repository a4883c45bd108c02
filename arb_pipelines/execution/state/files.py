"""Where state files are, and what they are called."""

from __future__ import annotations

import hashlib
from pathlib import Path


def account_name(account_id: str) -> str:
    """Name an account so that nobody reads off who it is: 16 hex digits."""
    return hashlib.sha256(account_id.encode()).hexdigest()[:16]


def state_file(folder: Path, venue: str, account_id: str, *, tested: bool = False) -> Path:
    """Give the file of an account, or the one of orders that are only tested there."""
    end = "-tested" if tested else ""
    return folder / f"{venue}-{account_name(account_id)}{end}.sqlite"

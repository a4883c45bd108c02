"""An engine that takes steps of cycles, and says each when it is written, until it is killed."""

from __future__ import annotations

import os
import sys
from itertools import count
from pathlib import Path

from pydantic import SecretStr

from arb_pipelines.execution.state.opening import open_state
from tests.fakes.state_steps import steps_of


def main(path: Path, key: str, start: str) -> None:
    """Trade for ever; cycles are named by ``start`` and a number."""
    with open_state(path, key=SecretStr(key) if key else None, holder="the worker") as store:
        for number in count():
            for step in steps_of(store, f"{start}-{number}"):
                os.write(1, f"{number} {step}\n".encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])

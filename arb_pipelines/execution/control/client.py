"""Asking a running session over its socket, for commands and other processes of this machine."""

from __future__ import annotations

import os
import pwd
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from arb_pipelines.errors import ConfigError
from arb_pipelines.execution.control.unix_socket import resolved

#: Its name in the folder of a session.
SOCKET = "control.sock"
#: Longest wait for an answer.
TIMEOUT_S = 5.0


def person() -> str:
    """Name the user whose process this is, for histories of who did what."""
    user = os.getuid()
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:  # a container may run as a number alone
        return str(user)


def ask(folder: Path, op: str, arguments: Mapping[str, object] | None = None) -> dict[str, Any]:
    """Ask the session of ``folder`` and give its answer, without ``op`` and ``ok``.

    Raises:
        ConfigError: there is no such session, it does not run, does not answer, or refuses.
    """
    line = msgspec.json.encode({"op": op, **(arguments or {})}) + b"\n"
    answer: dict[str, Any] = msgspec.json.decode(_exchange(folder, line))
    if not answer.pop("ok", False):
        raise ConfigError(str(answer.get("detail", answer)), source=f"session {folder.name}")
    answer.pop("op")
    return answer


def _exchange(folder: Path, line: bytes) -> bytes:
    path, source = folder / SOCKET, f"session {folder.name}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(TIMEOUT_S)
        try:
            connection.connect(resolved(path))
            connection.sendall(line)
            with connection.makefile("rb") as answers:
                answer = answers.readline()
        except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
            known = "it does not run" if folder.is_dir() else "there is none of that key"
            raise ConfigError(f"{known}; see `arb session list`", source=source) from None
        except TimeoutError:
            raise ConfigError(f"no answer within {TIMEOUT_S:g} s", source=source) from None
        except OSError as error:
            raise ConfigError(
                f"cannot be asked: {error.strerror or error}", source=source
            ) from None
    if not answer.endswith(b"\n"):
        raise ConfigError("it hung up before it answered; it may have ended", source=source)
    return answer

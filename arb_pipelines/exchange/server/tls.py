"""A certificate for 127.0.0.1 that lives as long as the exchange does."""

from __future__ import annotations

import ssl
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from arb_pipelines.errors import ConfigError

_NAMES = "subjectAltName=IP:127.0.0.1,DNS:localhost"
_DAYS = "30"
_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Certificate:
    """What the server shows, and its text (PEM) for clients that shall trust it."""

    context: ssl.SSLContext
    pem: str


def self_signed() -> Certificate:
    """Make a key and a certificate; the key's file is gone when this returns.

    Raises:
        ConfigError: there is no ``openssl`` program, or it fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        key, certificate = Path(folder, "key.pem"), Path(folder, "certificate.pem")
        command = [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
        ]
        command += ["-nodes", "-days", _DAYS, "-subj", "/CN=localhost", "-addext", _NAMES]
        command += ["-keyout", str(key), "-out", str(certificate)]
        try:
            subprocess.run(  # noqa: S603 - our own arguments
                command, check=True, capture_output=True, timeout=_TIMEOUT_S
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise ConfigError(
                f"openssl makes no certificate ({error}); install it, or leave --tls out",
                source="--tls",
            ) from None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        return Certificate(context, certificate.read_text())

"""The errors a caller can act on.

    ArbError
     ├─ ConfigError          a setting, strategy file or command line is wrong: mend it, run again
     ├─ DataError            an input file or a table is wrong: the message names file, row, reason
     ├─ VenueError           an exchange (or a server of recorded data) answered badly
     │   ├─ Transient          try again later; nothing happened
     │   │   └─ Closed           since the venue is in maintenance
     │   ├─ Rejected           the venue said no; nothing happened
     │   │   └─ Unfunded         since the balance does not pay for it
     │   ├─ OutcomeUnknown     it may have happened: look it up before doing anything else
     │   ├─ ProtocolViolation  the answer makes no sense: stop and report
     │   └─ Fatal              keys, permissions, bans: a person is needed
     └─ InvariantBroken      our own bookkeeping is wrong: stop, keep the evidence

Each carries its facts as attributes, so that a caller never parses a message.
A refusal by a risk check is a value, not an error, and does not belong here.
"""

from __future__ import annotations


class ArbError(Exception):
    """Any error this package raises on purpose."""


class ConfigError(ArbError):
    """A setting, a strategy file or an argument cannot be used.

    ``source`` is the file or setting, ``line`` its 1-based line where known.
    """

    def __init__(self, reason: str, *, source: str | None = None, line: int | None = None) -> None:
        self.reason, self.source, self.line = reason, source, line
        where = f"{source}:{line}: " if source and line else f"{source}: " if source else ""
        super().__init__(f"{where}{reason}")


class DataError(ArbError):
    """An input cannot be read as what it should be.

    ``source`` is the file or table, ``row`` the 0-based data row where known.
    """

    def __init__(self, reason: str, *, source: str | None = None, row: int | None = None) -> None:
        self.reason, self.source, self.row = reason, source, row
        at = f"{source}: " if source else ""
        at += f"row {row}: " if row is not None else ""
        super().__init__(f"{at}{reason}")


class VenueError(ArbError):
    """An exchange, or a server of recorded market data, answered badly.

    ``code`` is the venue's own for it, where it gave one.
    """

    def __init__(self, reason: str, *, code: str | None = None) -> None:
        self.code = code
        super().__init__(reason)


class Transient(VenueError):
    """Nothing happened and trying again later may work.

    ``retry_after_s`` is the pause that the venue asked for, where it did.
    """

    def __init__(
        self, reason: str, *, code: str | None = None, retry_after_s: float | None = None
    ) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(reason, code=code)


class Closed(Transient):
    """The venue answers nobody, since it is in maintenance."""


class Rejected(VenueError):
    """The venue refused the request; nothing happened."""


class Unfunded(Rejected):
    """The venue would take the order, if the account had the balance for it."""


class OutcomeUnknown(VenueError):
    """The request left, and whether it took effect is not known. Never resend blindly."""


class ProtocolViolation(VenueError):
    """The venue's answer contradicts its protocol."""


class Fatal(VenueError):
    """A person has to act: credentials, permissions, a ban."""


class InvariantBroken(ArbError):
    """Our own books do not add up."""

"""The `arb session` group: what a person does with live and paper sessions.

Here is the control of a running one; asking for one and looking at them is in
``session_requests``.
"""

from __future__ import annotations

import typer

#: Every command of sessions joins this group.
session = typer.Typer(no_args_is_help=True, help="Live and paper sessions.")


def register(app: typer.Typer) -> None:
    """Add this topic's commands to ``app``."""
    app.add_typer(session, name="session")

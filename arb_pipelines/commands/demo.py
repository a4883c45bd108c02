"""The `arb demo` and `arb ui` commands: the main job on generated books, and Dagster on it."""

from __future__ import annotations

from typing import Annotated

import typer

from arb_pipelines.commands.output import remarks


def register(app: typer.Typer) -> None:
    """Add this topic's commands to ``app``."""
    app.command("ui")(ui)


def ui(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on 127.0.0.1.")] = 3000,
) -> None:
    """Open Dagster on this home: webserver and daemon, on 127.0.0.1 only, until Ctrl-C.

    Example: arb ui --port 3000
    """
    from arb_pipelines.serving import Services, serve
    from arb_pipelines.settings import load_settings

    def announce(services: Services) -> None:
        remarks.print(f"Dagster is on {services.address} (Ctrl-C ends it; log: {services.log})")

    remarks.print("starting Dagster ...")
    serve(load_settings(), port=port, announce=announce)
    remarks.print("stopped")

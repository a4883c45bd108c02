"""Pictures of a session come from its rows, from the first moment on."""

from __future__ import annotations

import base64

from arb_pipelines.lake.store import Lake
from arb_pipelines.research.session_pictures import latency_picture, profit_picture
from arb_pipelines.research.session_tables import write_batch
from tests.fakes.session_worlds import KEY
from tests.integration.session_worker import batches_of


def png_of(markdown: str) -> bytes:
    """Bytes of the picture in a markdown image."""
    return base64.b64decode(markdown.partition("base64,")[2].rstrip(")"))


def test_a_session_is_drawn_before_it_did_anything_and_after(lake: Lake) -> None:
    """An empty picture says so; later ones show what is there, and change with it."""
    for draw in (latency_picture, profit_picture):
        assert png_of(draw(lake, KEY)).startswith(b"\x89PNG")
    first, *others = batches_of(3, KEY, events=500)
    write_batch(lake, first)
    early = latency_picture(lake, KEY), profit_picture(lake, KEY)
    for batch in others:
        write_batch(lake, batch)
    late = latency_picture(lake, KEY), profit_picture(lake, KEY)
    assert all(png_of(one) != png_of(other) for one, other in zip(early, late, strict=True))
    assert latency_picture(lake, KEY) == late[0]

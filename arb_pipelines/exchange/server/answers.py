"""KuCoin's envelope around every answer, and its codes of refusal."""

from __future__ import annotations

import orjson
from aiohttp import web

OK = "200000"
TOO_MANY_REQUESTS = "429000"
BAD_PARAMETER = "400100"
INTERNAL = "500000"


class Refusal(Exception):
    """A request the venue refuses; becomes an answer with ``code`` and ``msg``.

    ``status`` is the HTTP status: KuCoin refuses most things with 200.
    """

    def __init__(self, code: str, msg: str, *, status: int = 200) -> None:
        self.code, self.msg, self.status = code, msg, status
        super().__init__(f"{code} {msg}")

    def document(self) -> dict[str, str]:
        """The answer's body: ``{"code":"400100","msg":"..."}``."""
        return {"code": self.code, "msg": self.msg}


def answered(data: object) -> web.Response:
    """Wrap ``data`` as ``{"code":"200000","data":...}``."""
    return document_response({"code": OK, "data": data})


def refused(refusal: Refusal) -> web.Response:
    """Make the HTTP answer of ``refusal``."""
    return document_response(refusal.document(), status=refusal.status)


def document_response(document: object, *, status: int = 200) -> web.Response:
    """Answer with ``document`` as JSON."""
    return web.Response(body=orjson.dumps(document), status=status, content_type="application/json")


def cut_off(request: web.Request) -> None:
    """End the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()

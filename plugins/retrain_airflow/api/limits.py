"""What a body of JSON may be, before anything reads it: so large, and nested so deep."""

import re
from collections.abc import Iterator

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from retrain_airflow.api import problems
from retrain_airflow.api.problems import TooLargeError, UnprocessableError

LARGEST, DEEPEST = 1 << 20, 32
"""Bytes of a body of JSON, and brackets that may be open in it at once."""

_NOT_A_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*"|[^\[\]{}"]+', re.DOTALL)


class Limits:
    """ASGI middleware. It holds the body in memory; other types than JSON are for their routes to count."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _is_json(scope):
            await self._app(scope, receive, send)
            return
        try:
            body = await _read(receive)
            _refuse_deep(body)
        except (TooLargeError, UnprocessableError) as error:
            response = await problems.answer(Request(scope), error)
            await response(scope, receive, send)
            return
        await self._app(scope, _again(body, receive), send)


def _is_json(scope: Scope) -> bool:
    """Also of a body that does not say what it is, as FastAPI would look into it."""
    said = dict(scope["headers"]).get(b"content-type", b"").lower()
    return scope["method"] not in ("GET", "HEAD", "OPTIONS") and (not said or b"json" in said)


async def _read(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > LARGEST:
            raise TooLargeError(f"a body has at most {LARGEST:,} bytes")
        if not message.get("more_body"):
            return bytes(body)


def _refuse_deep(body: bytes) -> None:
    depth = 0
    for bracket in _NOT_A_BRACKET.sub(b"", body):
        depth += 1 if bracket in b"[{" else -1
        if depth > DEEPEST:
            raise UnprocessableError(f"a body is nested at most {DEEPEST} deep")


def _again(body: bytes, receive: Receive) -> Receive:
    waiting: Iterator[Message] = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def given() -> Message:
        message = next(waiting, None)
        return await receive() if message is None else message

    return given

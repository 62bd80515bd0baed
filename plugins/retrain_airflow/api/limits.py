"""What a body may be, before anything reads it: somebody's who is known, so large, and nested so deep."""

import re
from collections.abc import Iterator

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from retrain_airflow.api import access, problems
from retrain_airflow.api.access import NotAllowedError
from retrain_airflow.api.problems import TooLargeError, UnprocessableError

LARGEST, DEEPEST = 1 << 20, 32
"""Bytes of a body of JSON, and brackets that may be open in it at once."""

_NOT_A_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*"|[^\[\]{}"]+', re.DOTALL)


class Limits:
    """ASGI middleware. It holds the body in memory, of whatever type it says to be: FastAPI would read it as well.

    That of a PUT is a file, for its route to count.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS", "PUT"):
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            await access.caller(request)
            body = await _read(receive)
            _refuse_deep(body)
        except (NotAllowedError, TooLargeError, UnprocessableError) as error:
            response = await problems.answer(request, error)
            await response(scope, receive, send)
            return
        await self._app(scope, _again(body, receive), send)


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
    # In UTF-16, which json would take, a quote looks otherwise than to the pattern.
    if b"\0" in body:
        raise UnprocessableError("a body is UTF-8, and holds no NUL")
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

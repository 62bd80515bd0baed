"""Limits of a request, checked before its body is parsed: the caller may send it, and it is bounded in size, depth,
number of values and time. No name comes twice in it.

What is done here is done on the event loop, where Airflow's own pages wait for it: all of it is linear, and runs in C.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Message, Receive

from retrain_airflow.api import access
from retrain_airflow.api.problems import SlowBodyError, TooLargeError, UnprocessableError

LARGEST, DEEPEST, MOST_VALUES = 1 << 20, 32, 12_000
"""Bytes of a JSON body, brackets that may be open in it at once, and values in it."""
PATIENCE, SILENCE = 20.0, 10.0
"""Seconds until a JSON body is there; seconds without a byte of a file."""


class BoundedRoute(APIRoute):
    """A route that knows its caller, and the caller's permission, before it reads what the caller sends."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        permissions = access.needed(self.dependencies)

        async def bounded(request: Request) -> Response:
            try:
                return await checked(request)
            except ClientDisconnect:
                return Response(status_code=HTTPStatus.BAD_REQUEST)  # nobody is there to read it

        async def checked(request: Request) -> Response:
            for permission in permissions:
                await access.permit(request, permission)
            _refuse_names_twice(parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True))
            if self.body_field is not None:
                body = await _read(request)
                refuse_unbounded(body)
                request = Request(request.scope, _again(body, request.receive))
            return await handle(request)

        return bounded


async def chunks(request: Request) -> AsyncIterator[bytes]:
    """Yield a file as it comes. Raises SlowBodyError if nothing comes."""
    stream = aiter(request.stream())
    while True:
        try:
            async with asyncio.timeout(SILENCE):
                chunk = await anext(stream)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise SlowBodyError(f"nothing came for {SILENCE:.0f} s") from error
        yield chunk


async def _read(request: Request) -> bytes:
    """Return the body, whatever its content type says: FastAPI would read it all."""
    body = bytearray()
    try:
        async with asyncio.timeout(PATIENCE):
            async for chunk in request.stream():
                body += chunk
                if len(body) > LARGEST:
                    raise TooLargeError(f"a body has at most {LARGEST:,} bytes")
    except TimeoutError as error:
        raise SlowBodyError(f"the body was not there after {PATIENCE:.0f} s") from error
    return bytes(body)


def refuse_unbounded(body: bytes) -> None:
    """Raise UnprocessableError for a JSON body that is too deep, holds too many values, or names one twice."""
    # The json module accepts UTF-16, in which a quote has other bytes.
    if b"\0" in body:
        raise UnprocessableError("a body must be UTF-8 without NUL")
    # What is left without its texts. In a text, a backslash and what follows belong together, from the left.
    plain = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    if plain.count(b'"') > 4 * MOST_VALUES:
        raise UnprocessableError(f"a body holds at most {MOST_VALUES:,} values, and as many names")
    outside = b"".join(plain.split(b'"')[::2])
    opened = outside.count(b"[") + outside.count(b"{")
    if opened + outside.count(b",") > MOST_VALUES:
        raise UnprocessableError(f"a body holds at most {MOST_VALUES:,} values")
    if opened > DEEPEST:
        _refuse_deep(outside.translate(_ALIKE, _NOT_BRACKETS))
    try:
        json.loads(body, object_pairs_hook=_refuse_names_twice)
    except (ValueError, RecursionError):
        return  # the route refuses it


_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_ALIKE = bytes.maketrans(b"{}", b"[]")


def _refuse_deep(brackets: bytes) -> None:
    # Each pass takes the innermost pairs away.
    for _ in range(DEEPEST):
        brackets = brackets.replace(b"[]", b"")
    if brackets:
        raise UnprocessableError(f"a body may be nested at most {DEEPEST} deep, with a bracket closed for each opened")


def _refuse_names_twice(pairs: list[tuple[str, Any]]) -> None:
    names = {name for name, _ in pairs}
    if len(names) < len(pairs):
        seen = set[str]()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise UnprocessableError(f"{twice[:100]!r} comes twice; send each name once")


def _again(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives the body once more, and then what follows it."""
    messages: Iterator[Message] = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive_again() -> Message:
        message = next(messages, None)
        return await receive() if message is None else message

    return receive_again

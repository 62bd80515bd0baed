"""Server-sent events, as in WHATWG's HTML standard.

Ours, because FastAPI has them since 0.135, and Airflow 3.1 pins an older one.
"""

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send


def event(name: str, data: Any, *, place: str) -> bytes:
    """Return an event with its data as JSON. place: what a client that comes back names as `Last-Event-ID`."""
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\nid: {place}\n\n".encode()


def comment(text: str, *, retry: int | None = None) -> bytes:
    """Return a line that clients ignore. retry: milliseconds after which a client comes back."""
    lines = [f": {text}"] if retry is None else [f": {text}", f"retry: {retry}"]
    return ("\n".join(lines) + "\n\n").encode()


class EventStream(StreamingResponse):
    media_type = "text/event-stream"

    def __init__(self, events: AsyncIterator[bytes], at_end: Callable[[], None]) -> None:
        """at_end: called once, however the stream ends."""
        # A proxy that collects them first would hide them.
        super().__init__(events, headers={"X-Accel-Buffering": "no"})
        self._at_end = at_end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._at_end()

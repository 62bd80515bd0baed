"""Headers of every response of the API."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

NOT_STORED = {"Cache-Control": "no-store"}


class NotStored:
    """ASGI middleware: no cache between here and the caller keeps what only this caller may read."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_not_stored(message: Message) -> None:
            if message["type"] == "http.response.start":
                for name, value in NOT_STORED.items():
                    MutableHeaders(scope=message).setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_not_stored if scope["type"] == "http" else send)

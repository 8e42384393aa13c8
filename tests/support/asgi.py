"""An HTTP client of an ASGI application in this process, with one trip to the thread of its event loop a request.

Starlette's TestClient makes ten, so that answers can be read while they are made; here they are read to their end.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote

import httpx2
from starlette.types import ASGIApp, Message


class AppClient(httpx2.Client):
    """What the application raises is answered with 500, as a server does that loses it."""

    def __init__(self, app: ASGIApp, loop: asyncio.AbstractEventLoop, base_url: str) -> None:
        super().__init__(base_url=base_url, transport=_Transport(app, loop))
        self.app = app


@contextmanager
def open_client(app: ASGIApp, base_url: str) -> Iterator[AppClient]:
    """A client for the block, and a thread that runs the application's event loop; its lifespan is not run."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="the application's loop")
    thread.start()
    try:
        with AppClient(app, loop, base_url) as client:
            yield client
    finally:
        asyncio.run_coroutine_threadsafe(_end(loop), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _end(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel what requests have left running."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    await loop.shutdown_asyncgens()
    await loop.shutdown_default_executor()


class _Transport(httpx2.BaseTransport):
    def __init__(self, app: ASGIApp, loop: asyncio.AbstractEventLoop) -> None:
        self._app, self._loop = app, loop

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        body = request.read()
        return asyncio.run_coroutine_threadsafe(self._ask(request, body), self._loop).result()

    async def _ask(self, request: httpx2.Request, body: bytes) -> httpx2.Response:
        url = request.url
        path, _, query = url.raw_path.partition(b"?")
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": request.method,
            "path": unquote(path.decode("ascii")),
            "raw_path": path,
            "root_path": "",
            "scheme": url.scheme,
            "query_string": query,
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "client": ("testclient", 50000),
            "server": (url.host, url.port or 80),
            "extensions": {},
            "state": {},
        }
        is_read = False
        is_complete = asyncio.Event()
        start: Message = {"status": 500, "headers": []}
        pieces: list[bytes] = []

        async def receive() -> Message:
            nonlocal is_read
            if is_read:
                await is_complete.wait()
                return {"type": "http.disconnect"}
            is_read = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            nonlocal start
            assert not is_complete.is_set(), "the answer was complete"
            if message["type"] == "http.response.start":
                start = message
            else:
                pieces.append(bytes(message.get("body", b"")))
                if not message.get("more_body", False):
                    is_complete.set()

        # The application logs it, and an answer that has begun ends here.
        with contextlib.suppress(Exception):
            await self._app(scope, receive, send)
        return httpx2.Response(
            start["status"],
            headers=[(bytes(name), bytes(value)) for name, value in start["headers"]],
            # As a stream, which gets no Content-Length that the application did not give.
            stream=httpx2.ByteStream(b"" if request.method == "HEAD" else b"".join(pieces)),
            request=request,
        )

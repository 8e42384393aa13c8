"""A webhook receiver on loopback that does as it is told and remembers everything."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = int | tuple[int, dict[str, str]]


@dataclass
class Message:
    headers: dict[str, str]
    body: bytes
    answered: int
    path: str = ""

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def value(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass
class Receiver:
    """answer: from the number of requests so far and the message's JSON to a status (and headers)."""

    answer: Callable[[int, dict[str, Any]], Answer] = lambda count, value: 204
    messages: list[Message] = field(default_factory=list)
    url: str = ""

    @property
    def accepted(self) -> list[Message]:
        return [message for message in self.messages if message.answered < 300]


@contextmanager
def running_receiver() -> Iterator[Receiver]:
    state = Receiver()
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            with lock:
                said = state.answer(len(state.messages), json.loads(body))
                status, headers = said if isinstance(said, tuple) else (said, {})
                sent = {name.lower(): value for name, value in self.headers.items()}
                state.messages.append(Message(sent, body, status, self.path))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)

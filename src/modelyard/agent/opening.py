"""Begin an attempt on the server's own machine before the rest of the agent is loaded, which takes longer than all of this.

Only the standard library is used, and little of it. Whatever is unusual is left to the client that is loaded next: the attempt
can be claimed again as long as nothing was reported, and the server knows a frame that it has by its number.
"""

from __future__ import annotations

import json
import os
import re
import socket
import time

_NEAR = re.compile(r"http://(127\.0\.0\.1|localhost):([0-9]+)(/.*)?")
"""Other addresses may need TLS, a proxy, or a decision about clear text."""
_PATIENCE_SECONDS = 5.0
_WORD_BYTES = 32
_BLOCK_BYTES = 1 << 16


class Opening:
    """What has happened before the agent was loaded. plan: the answer to the claim, as JSON; empty: nothing was claimed."""

    def __init__(self, url: str, build: str, attempt: int) -> None:
        self.build, self.attempt = build, attempt
        self.word = os.urandom(_WORD_BYTES).hex()
        """Proves that this agent is the one that claimed the attempt. Unlike the token, the steps do not know it."""
        self.plan = b""
        self.frame = b""
        """The first frame, as JSON, once the plan is known."""
        self._url = url
        self._sent: socket.socket | None = None

    def begin(self, ticket: str) -> None:
        """Claim the attempt and send its first frame, without waiting for the answer to that."""
        try:
            answer = _read(self._post("claim", ticket, json.dumps({"word": self.word})))
            plan, self.plan = json.loads(answer), answer
            self.make_frame(plan["steps"][0]["name"])
            message = f'{{"first":1,"frames":[{self.frame.decode()}]}}'
            self._sent = self._post("records", plan["token"], message)
        except (OSError, ValueError):
            return

    def make_frame(self, step: str) -> None:
        """Make the frame that says that the first step runs, and where."""
        text = f"build       {self.build}, attempt {self.attempt}\nhost        {socket.gethostname()}\n"
        event = {"step": step, "state": "running", "at": time.time_ns() // 1000, "log": text}
        self.frame = json.dumps({"events": [event]}).encode()

    @property
    def is_stored(self) -> bool:
        """Return whether the server has the first frame."""
        try:
            return self._sent is not None and _read(self._sent) != b""
        except (OSError, ValueError):
            return False

    def _post(self, name: str, token: str, body: str) -> socket.socket:
        near = _NEAR.fullmatch(self._url)
        if near is None:
            raise ValueError(self._url)
        raw = body.encode()
        path = f"{(near[3] or '').rstrip('/')}/api/v1/builds/{self.build}/attempts/{self.attempt}/{name}"
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {near[1]}:{near[2]}\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(raw)}\r\nConnection: close\r\n\r\n"
        )
        sent = socket.create_connection((near[1], int(near[2])), timeout=_PATIENCE_SECONDS)
        sent.sendall(head.encode() + raw)
        return sent


def _read(sent: socket.socket) -> bytes:
    """Return the body of an answer. Raises ValueError if it is an error, OSError."""
    with sent:
        answer = b"".join(iter(lambda: sent.recv(_BLOCK_BYTES), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    if not re.match(rb"HTTP/1\.[01] 20[01] ", head) or b"transfer-encoding" in head.lower():
        raise ValueError(head[:100])
    return body

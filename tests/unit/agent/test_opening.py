"""The opening of an attempt: its claim and its first frame over a plain socket, and what is left to the rest of the agent."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from modelyard.agent.opening import Opening

_PLAN = {"token": "second", "steps": [{"name": "provision"}, {"name": "train"}]}


class _Server(ThreadingHTTPServer):
    """Answers by the last word of the path, and keeps what it was asked."""

    answers: dict[str, tuple[int, bytes]]
    asked: list[tuple[str, str | None, Any]]


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.asked.append((self.path, self.headers["authorization"], json.loads(body)))
        status, answer = self.server.answers[self.path.rpartition("/")[2]]
        self.send_response(status)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[_Server]:
    with _Server(("127.0.0.1", 0), _Handler) as made:
        made.answers = {"claim": (200, json.dumps(_PLAN).encode()), "records": (200, b"{}")}
        made.asked = []
        Thread(target=made.serve_forever, args=(0.01,), daemon=True).start()
        yield made
        made.shutdown()


def opened(server: _Server) -> Opening:
    opening = Opening(f"http://127.0.0.1:{server.server_port}/registry", "b1", 2)
    opening.begin("first")
    return opening


def test_the_attempt_is_claimed_and_its_first_frame_is_sent(server: _Server) -> None:
    opening = opened(server)
    assert opening.is_stored
    assert json.loads(opening.plan) == _PLAN
    place = "/registry/api/v1/builds/b1/attempts/2"
    claim, records = server.asked
    assert claim == (f"{place}/claim", "Bearer first", {"word": opening.word})
    assert records == (
        f"{place}/records", "Bearer second", {"first": 1, "frames": [json.loads(opening.frame)]}
    )  # fmt: skip
    (event,) = json.loads(opening.frame)["events"]
    assert (event["step"], event["state"]) == ("provision", "running")
    assert event["log"].startswith("build       b1, attempt 2\nhost ")


@pytest.mark.parametrize(
    ("call", "status", "answer", "has_plan"),
    [
        ("claim", 503, b"{}", False),
        ("claim", 409, b"{}", False),
        ("claim", 200, b"no JSON", False),
        ("records", 503, b"{}", True),
    ],
)
def test_what_is_refused_is_left_to_the_rest_of_the_agent(
    server: _Server, call: str, status: int, answer: bytes, has_plan: bool
) -> None:
    server.answers[call] = (status, answer)
    opening = opened(server)
    assert not opening.is_stored
    assert bool(opening.plan) == has_plan


@pytest.mark.parametrize("url", ["https://127.0.0.1:1", "http://registry.test:1", "http://127.0.0.1:1"])
def test_other_addresses_and_absent_servers_are_left_to_the_rest_of_the_agent(url: str) -> None:
    opening = Opening(url, "b1", 1)
    opening.begin("first")
    assert (opening.plan, opening.frame, opening.is_stored) == (b"", b"", False)


def test_the_opening_loads_nothing_but_little_of_the_standard_library() -> None:
    code = "import sys, modelyard.agent.opening, modelyard.agent.__main__; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    heavy = {"msgspec", "urllib3", "http.client", "ssl", "modelyard.domain.errors", "modelyard.sdk.http"}
    assert heavy.isdisjoint(loaded.split())

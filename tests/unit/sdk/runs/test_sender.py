"""Delivery against a server that is a list: in order, once, and again after it lost what it had."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from modelyard.domain.errors import Invalid, ModelyardError, RecordsMissing, ServerUnreachable, TokenExpired
from modelyard.sdk.http import Reply
from modelyard.sdk.runs import sender
from modelyard.sdk.runs.sender import Delivery, Sender
from modelyard.sdk.runs.spool import Header, SpoolWriter
from modelyard.wire.runs import Frame, StartRun, Stored

RUN = "0d" * 16


class Server:
    """What a registry keeps of one run, by the rules of `store_records`; also the client and its transport."""

    def __init__(self) -> None:
        self.transport = self
        self.begun = 0
        self.last: dict[str, int] = {}
        self.logs: list[str] = []
        self.failures: list[ModelyardError] = []
        self.answers_lost = 0

    def call(self, method: str, path: str, **_: Any) -> None:
        assert (method, path) == ("PUT", f"/api/v1/runs/{RUN}")
        self.begun += 1

    def send(self, method: str, path: str, *, body: Any, **_: Any) -> Reply:
        assert (method, path) == ("POST", f"/api/v1/runs/{RUN}/records")
        if self.failures:
            raise self.failures.pop(0)
        told = msgspec.json.decode(body())
        known = self.last.get(told["writer"], 0)
        if told["first"] > known + 1:
            raise RecordsMissing(run=RUN, known=known, given=told["first"])
        for number, frame in enumerate(told["frames"], told["first"]):
            if number > known:
                self.logs.append(frame["log"])
                known = number
        self.last[told["writer"]] = known
        if self.answers_lost:
            self.answers_lost -= 1
            raise ServerUnreachable(url="http://x", reason="broken")
        return Reply(200, {}, msgspec.json.encode(Stored(last=known, notes=["cut"])))

    def decode(self, reply: Reply, wanted: Any, _path: str) -> Any:
        return msgspec.json.decode(reply.data, type=wanted)


@pytest.fixture
def header() -> Header:
    return Header(run=RUN, writer="w", server=None, start=StartRun(name="n"))


@pytest.fixture
def spool(tmp_path: Path, header: Header) -> SpoolWriter:
    return SpoolWriter(tmp_path, header)


def say(spool: SpoolWriter, *texts: str) -> None:
    for text in texts:
        spool.append(Frame(log=text))


def deliver(delivery: Delivery) -> None:
    while delivery.step():
        pass


def test_in_order_and_once_also_when_answers_are_lost(spool: SpoolWriter, header: Header) -> None:
    server = Server()
    delivery = Delivery(server, spool.folder, header)  # type: ignore[arg-type]
    say(spool, "a", "b")
    deliver(delivery)
    server.answers_lost = 1
    say(spool, "c")
    with pytest.raises(ServerUnreachable):
        delivery.step()
    say(spool, "d")
    deliver(delivery)
    assert (server.begun, server.logs) == (1, ["a", "b", "c", "d"])
    assert delivery.notes == ["cut"]
    assert delivery.reader.acknowledged == 4


def test_a_server_that_lost_what_it_had_is_told_the_rest(spool: SpoolWriter, header: Header) -> None:
    server = Server()
    delivery = Delivery(server, spool.folder, header)  # type: ignore[arg-type]
    say(spool, "a", "b", "c")
    deliver(delivery)
    # Restored from a backup of when there was one record.
    server.last, server.logs = {"w": 1}, ["a"]
    say(spool, "d", "e")
    deliver(delivery)
    say(spool, "f")
    deliver(delivery)
    assert server.logs == ["a", "d", "e", "f"]
    assert server.last == {"w": 1, "w-3": 3}


def test_a_sender_goes_on_after_failures_and_tells_of_each_kind_once(
    spool: SpoolWriter, header: Header, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sender, "_LEAST_PAUSE_SECONDS", 0.01)
    server = Server()
    server.failures = [ServerUnreachable(url="http://x", reason="gone") for _ in range(3)]
    say(spool, "a")
    with caplog.at_level(logging.WARNING):
        running = Sender(lambda: server, spool.folder, header)  # type: ignore[arg-type,return-value]
        assert running.wait_for(1, 20)
        say(spool, "b")
        running.wake()
        assert running.wait_for(2, 20)
        running.stop()
    assert server.logs == ["a", "b"]
    words = [record.getMessage() for record in caplog.records]
    assert len([each for each in words if "gone" in each]) == 1
    assert any("the server is back" in each for each in words)


@pytest.mark.parametrize(
    "error", [TokenExpired(expired_at="yesterday"), Invalid(reason="no")], ids=["token", "other"]
)
def test_a_refusal_ends_the_waiting_but_not_the_spool(
    spool: SpoolWriter, header: Header, error: ModelyardError
) -> None:
    server = Server()
    server.failures = [error] * 1000
    say(spool, "a")
    running = Sender(lambda: server, spool.folder, header)  # type: ignore[arg-type,return-value]
    began = time.monotonic()
    assert not running.wait_for(1, 20)
    assert time.monotonic() - began < 10
    running.stop()
    assert running.failure is error
    assert list(spool.folder.glob("*.frames"))

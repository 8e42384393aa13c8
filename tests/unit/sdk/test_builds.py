"""Following a build: every change of a step and every piece of its log, once and in order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from modelyard.sdk.builds import Builds
from modelyard.sdk.session import Session
from modelyard.wire import builds as wire
from tests.unit.cli.test_builds import details


class Server:
    """Stands for a session: it shows one state of the build after another, and the log as far as each state has it."""

    def __init__(self, *states: wire.BuildDetails, logs: dict[str, str]) -> None:
        self._states: Iterator[wire.BuildDetails] = iter(states)
        self._logs = logs
        self._shown: wire.BuildDetails | None = None
        self.seen: list[int | None] = []
        self.transport = self
        self.model_path = self.version_path = None

    def call(self, method: str, path: str, *, query: Any = None, returns: Any = None, **_: Any) -> Any:
        if isinstance(query, wire.ShowBuildQuery):
            self.seen.append(query.seen)
            self._shown = next(self._states)
            return self._shown
        assert isinstance(query, wire.BuildLogQuery)
        assert self._shown is not None
        known = next(step.log_bytes for step in self._shown.steps if step.name == query.step)
        # At most four bytes at a time, as a server with long logs would.
        end = min(known, query.position + 4)
        text = self._logs[query.step or ""][query.position : end]
        return wire.BuildLogPart(text=text, position=end, ended=False)


def steps(*told: tuple[str, str, int]) -> list[wire.BuildStep]:
    return [wire.BuildStep(name=name, state=state, log_bytes=size) for name, state, size in told]


def follow(server: Server) -> list[str]:
    told = []
    for news in Builds(cast(Session, server)).follow("1f0a"):
        if news.text:
            told.append(news.text)
        elif news.step is not None:
            told.append(f"{news.step.name} {news.step.state}")
    return told


def test_text_comes_between_the_beginning_and_the_end_of_its_step() -> None:
    server = Server(
        details("queued", steps=[], attempt=0, revision=1),
        details("running", steps=steps(("train", "running", 3), ("test", "waiting", 0)), revision=2),
        details("running", steps=steps(("train", "ok", 6), ("test", "running", 0)), revision=3),
        details(
            "failed", steps=steps(("train", "ok", 6), ("test", "failed", 2), ("push", "skipped", 0)), revision=4
        ),
        logs={"train": "abcdef", "test": "xy"},
    )
    assert follow(server) == [
        *("train running", "abc", "def", "train ok"),
        *("test running", "xy", "test failed", "push skipped"),
    ]
    # Each request waits for a change after the last answer.
    assert server.seen == [None, 1, 2, 3]


def test_another_attempt_is_followed_from_its_beginning() -> None:
    server = Server(
        details("running", steps=steps(("train", "running", 3)), attempt=1),
        details("running", steps=steps(("train", "running", 2)), attempt=2),
        details("succeeded", steps=steps(("train", "ok", 3)), attempt=2),
        logs={"train": "abc"},
    )
    assert follow(server) == ["train running", "abc", "train running", "ab", "c", "train ok"]


def test_a_build_that_ended_before_is_told_whole() -> None:
    server = Server(details("succeeded", steps=steps(("train", "reused", 5))), logs={"train": "abcde"})
    assert follow(server) == ["train running", "abcd", "e", "train reused"]

"""The worker goes on when a chore fails, says so, and tries again."""

from __future__ import annotations

import logging
import threading
from typing import Any, cast

import pytest

from modelyard.domain.errors import DatabaseUnavailable
from modelyard.doors.services import Services
from modelyard.worker import loop
from modelyard.worker.loop import Chore, Worker

NO_SERVICES = cast(Services, object())


@pytest.mark.parametrize("error", [DatabaseUnavailable(), RuntimeError("a mistake")], ids=["ours", "a mistake"])
def test_a_chore_that_fails_is_logged_and_tried_again(
    error: Exception, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "_TICK_SECONDS", 0.001)
    runs: list[str] = []
    done = threading.Event()

    def failing(_: Any) -> None:
        runs.append("failing")
        raise error

    def good(_: Any) -> None:
        runs.append("good")
        if runs.count("good") == 3:
            done.set()

    worker = Worker(NO_SERVICES, [Chore("failing", 0, failing), Chore("good", 0, good)])
    worker.start()
    assert done.wait(20)
    worker.stop()
    assert runs.count("failing") >= 3
    said = [record for record in caplog.records if "chore failing" in record.getMessage()]
    assert len(said) >= 3
    assert said[0].levelno == (logging.WARNING if isinstance(error, DatabaseUnavailable) else logging.ERROR)


def test_a_worker_that_is_stopped_starts_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "_TICK_SECONDS", 0.001)
    ran = threading.Event()
    count: list[int] = []

    def chore(_: Any) -> None:
        count.append(1)
        ran.set()

    worker = Worker(NO_SERVICES, [Chore("chore", 0, chore)])
    worker.start()
    assert ran.wait(20)
    worker.stop()
    after = len(count)
    assert not worker._thread.is_alive()
    assert len(count) == after

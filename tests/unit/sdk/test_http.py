"""How long a client goes on, and what it never says."""

from __future__ import annotations

import pytest

from modelyard.domain.errors import ServerUnreachable, Unavailable
from modelyard.sdk import http
from modelyard.sdk.http import Patience, Transport


def test_files_get_four_times_the_patience_that_was_asked_for() -> None:
    assert Transport("http://127.0.0.1:1", None, patience_seconds=0.5).transfer_patience().seconds == 2.0
    assert Transport("http://127.0.0.1:1", None).transfer_patience().seconds == 120.0


def test_without_patience_the_first_failure_is_raised() -> None:
    error = Unavailable(what="it")
    with pytest.raises(Unavailable) as caught:
        Patience(0).wait(error)
    assert caught.value is error


def test_who_trusts_an_address_waits_for_a_server_that_never_answered_until_told_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http, "_UNMET_PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(http, "_LOOK_SECONDS", 0.0)
    transport = Transport("http://127.0.0.1:1", None, patience_seconds=600)
    with pytest.raises(ServerUnreachable):
        transport.call("GET", "/api/v1/health")
    asked: list[int] = []

    def is_over() -> bool:
        asked.append(1)
        return len(asked) == 50

    transport.trust_address(is_over)
    with pytest.raises(ServerUnreachable):
        transport.call("GET", "/api/v1/health")
    assert len(asked) == 50

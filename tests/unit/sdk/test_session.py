"""The floor of the SDK: names and references become paths, and public functions find their session."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

import modelyard as my
from modelyard.domain.errors import NotSignedIn
from modelyard.sdk.binding import bind
from modelyard.sdk.session import Session, shared_session
from modelyard.wire.access import WhoAmI
from modelyard.wire.versions import Resolved

DIGEST = "sha256:" + "ab" * 32


class Answers:
    """In place of the network: says who asks and what a reference means, and notes each request."""

    has_token = True

    def __init__(self) -> None:
        self.asked: list[str] = []

    def call(self, _method: str, path: str, *, query: Any = None, returns: type) -> Any:
        self.asked.append(path.removeprefix("/api/v1/"))
        if returns is WhoAmI:
            return WhoAmI(name="ada", kind="user", is_admin=False, default_namespace="fraud", groups=[])
        assert returns is Resolved
        # The model was renamed after the reference was written.
        return Resolved(
            model="fraud/card-scorer",
            version=12,
            reference="fraud/card-scorer:12",
            digest=DIGEST,
            record_digest=DIGEST,
            state="ready",
            size_bytes=1,
            created_at="2026-01-01T00:00:00Z",
        )


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Session:
    monkeypatch.setenv("MODELYARD_HOME", str(tmp_path))
    session = Session("http://127.0.0.1:1", "token")
    session.transport = Answers()  # type: ignore[assignment]
    return session


@pytest.mark.parametrize(
    ("ref", "path", "asked"),
    [
        ("risk/scorer:3", "/api/v1/models/risk/scorer/versions/3/files", []),
        ("scorer:3", "/api/v1/models/fraud/scorer/versions/3/files", ["whoami"]),
        ("fraud/scorer@champion", "/api/v1/models/fraud/card-scorer/versions/12/files", ["resolve"]),
        ("fraud/scorer", "/api/v1/models/fraud/card-scorer/versions/12/files", ["resolve"]),
    ],
)
def test_a_reference_becomes_a_path_and_a_number_asks_nothing(
    session: Session, ref: str, path: str, asked: list[str]
) -> None:
    assert session.version_path(ref, "files") == path
    assert session.transport.asked == asked  # type: ignore[attr-defined]


def test_the_default_namespace_is_asked_once(session: Session) -> None:
    assert session.model_path("scorer", "stages") == "/api/v1/models/fraud/scorer/stages"
    assert session.model_path("other") == "/api/v1/models/fraud/other"
    assert session.transport.asked == ["whoami"]  # type: ignore[attr-defined]


def test_without_a_token_a_short_name_is_refused_without_a_request(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MODELYARD_HOME", str(tmp_path))
    monkeypatch.delenv("MODELYARD_TOKEN", raising=False)
    session = Session("http://127.0.0.1:1")
    for ask in (lambda: session.model_path("scorer"), session.whoami):
        with pytest.raises(NotSignedIn):
            ask()


def test_one_session_is_shared_by_each_server_and_account(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MODELYARD_HOME", str(tmp_path))
    monkeypatch.setenv("MODELYARD_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("MODELYARD_TOKEN", "one")
    first = shared_session()
    assert shared_session() is first
    monkeypatch.setenv("MODELYARD_TOKEN", "two")
    assert shared_session() is not first


def test_a_bound_function_shows_the_parameters_that_a_caller_gives() -> None:
    def add(self: int, /, other: int, *, twice: bool = False) -> int:
        """Add."""
        return self + other * (2 if twice else 1)

    bound = bind(add, lambda: 40, __name__)
    assert bound(1, twice=True) == 42
    assert [*inspect.signature(bound).parameters] == ["other", "twice"]
    assert (bound.__doc__, bound.__module__, bound.__qualname__) == ("Add.", __name__, "add")


@pytest.mark.parametrize("name", ["push", "pull", "load", "check_signature"])
def test_a_shortcut_takes_what_the_method_of_a_client_takes(name: str) -> None:
    shortcut = inspect.signature(getattr(my, name))
    method = inspect.signature(getattr(my.Client("http://127.0.0.1:1", "token"), name))
    assert shortcut == method
    assert inspect.getdoc(getattr(my, name)) == inspect.getdoc(getattr(my.Client, name))

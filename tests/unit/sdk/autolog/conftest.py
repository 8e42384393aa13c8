"""An offline run in a home of its own: what was said is in its memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import modelyard as my
from modelyard.sdk import notice
from modelyard.sdk.autolog import autolog, base
from modelyard.sdk.runs.handle import Run


@pytest.fixture
def noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    monkeypatch.setenv("MODELYARD_HOME", str(tmp_path))
    autolog()
    notice._noticed.clear()
    base._warned.clear()
    try:
        with my.run("noted", offline=True, capture=False) as run:
            yield run
    finally:
        autolog(enabled=False)
    assert run._warned == set(), "autologging warned"

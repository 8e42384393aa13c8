"""The address of a page is printed where somebody can click on it, and nowhere else."""

from __future__ import annotations

import pytest

from modelyard.cli.base import Session


@pytest.mark.parametrize(
    ("is_terminal", "as_json", "printed"), [(True, False, True), (False, False, False), (True, True, False)]
)
def test_a_link_is_for_a_terminal(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    is_terminal: bool,
    as_json: bool,
    printed: bool,
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: is_terminal)
    Session(as_json, None).link("http://127.0.0.1:8470/promotions/3")
    shown = capsys.readouterr().err
    assert ("Open in a browser: http://127.0.0.1:8470/promotions/3" in shown) is printed

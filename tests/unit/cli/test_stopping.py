"""What a command says when it is stopped."""

from __future__ import annotations

import click
import pytest

from modelyard.cli import main
from modelyard.cli.errors import INTERRUPTED


@pytest.mark.parametrize(
    ("command", "error", "words", "not_said"),
    [
        ("push", KeyboardInterrupt(), "to continue where it stopped", "nothing was changed"),
        ("restore", KeyboardInterrupt(), "to continue where it stopped", "nothing was changed"),
        ("serve", KeyboardInterrupt(), "Stopped.", "continue"),
        ("ls", KeyboardInterrupt(), "Interrupted.", "continue"),
        ("delete", click.Abort(), "nothing was changed", "continue"),
        ("push", click.Abort(), "nothing was changed", "continue"),
    ],
)
def test_only_commands_that_go_on_say_that_they_do(
    command: str,
    error: BaseException,
    words: str,
    not_said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Stopped:
        def main(self, **_: object) -> None:
            raise error

    monkeypatch.setattr(main, "cli", Stopped())
    assert main.run([command]) == INTERRUPTED
    said = capsys.readouterr().err
    assert words in said
    assert not_said not in said


def test_a_real_interrupt_is_told_from_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """click turns both into its own Abort, and keeps the interrupt as its cause."""

    @click.command()
    def interrupted() -> None:
        raise KeyboardInterrupt

    told: list[bool] = []
    monkeypatch.setattr(main, "cli", interrupted)
    monkeypatch.setattr(main, "_words_for_stop", lambda _, is_signal: told.append(is_signal) or "")
    assert main.run([]) == INTERRUPTED
    assert told == [True]

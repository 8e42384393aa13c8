"""Tables on a terminal: nothing of a verdict is cut, no line leaves the screen, names keep their form."""

from __future__ import annotations

import dataclasses
import re

import pytest

from modelyard.cli import admin, output
from modelyard.cli.base import Session
from modelyard.cli.output import Output, Verbatim, width

NEEDED = "card sections purpose, performance, limitations, intended use, ethics with at least 10 words each"
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "is_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return ESCAPE.sub("", capsys.readouterr().out).splitlines()


def test_a_whole_table_cuts_nothing_and_fits_the_terminal(
    terminal: None, capsys: pytest.CaptureFixture[str]
) -> None:
    measured = "f1 (split test) = 0.8, reported by root, the version's author, whose reports do not count"
    Output(False).table(("rule", "measured", "needed"), [("card", measured, NEEDED)], whole=True)
    lines = lines_of(capsys)
    assert max(map(width, lines)) <= 80
    assert "…" not in "".join(lines)
    columns = [line.ljust(80) for line in lines]
    edge = re.search("NEEDED", columns[0])
    assert edge is not None
    said = " ".join(" ".join(line[edge.start() :].split()) for line in columns[1:])
    assert said.strip() == NEEDED


@pytest.mark.parametrize("whole", [False, True])
def test_a_table_of_long_cells_fits_the_terminal(
    terminal: None, capsys: pytest.CaptureFixture[str], whole: bool
) -> None:
    Output(False).table(("a", "b", "c"), [("x" * 90, "模" * 60, "y z " * 40)], whole=whole)
    assert max(map(width, lines_of(capsys))) <= 80


def test_a_name_is_not_written_in_capitals(terminal: None, capsys: pytest.CaptureFixture[str]) -> None:
    Output(False).table(("metric", Verbatim("demo/wine:1")), [("f1", "0.5")])
    assert lines_of(capsys)[0].split() == ["METRIC", "demo/wine:1"]


def test_a_failed_rule_is_red_unless_colours_are_off(
    terminal: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # click.echo removes colours when it does not write to a terminal.
    monkeypatch.setattr(output.click, "echo", print)
    row = [("metric-f1", "FAIL", "0.5", ">= 0.7")]
    Output(False).table(("rule", "result", "measured", "needed"), row)
    assert "\x1b[31mFAIL\x1b[0m" in capsys.readouterr().out
    monkeypatch.setenv("NO_COLOR", "1")
    Output(False).table(("rule", "result", "measured", "needed"), row)
    assert "\x1b" not in capsys.readouterr().out


def test_times_are_shown_to_the_second_on_a_terminal_and_whole_in_a_pipe(
    terminal: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    at = "2026-11-30T12:40:37.844595Z"
    show = Output(False)
    show.table(("at",), [(at,)])
    show.pairs([("registered", f"{at} by root")])
    lines = lines_of(capsys)
    assert lines[1:] == ["2026-11-30T12:40:37Z", "registered  2026-11-30T12:40:37Z by root"]
    monkeypatch.setattr(output, "is_terminal", lambda: False)
    show.table(("at",), [(at,)])
    assert lines_of(capsys) == [at]


@dataclasses.dataclass
class Done:
    rows: int = 3
    tables: int = 2
    blobs: int = 37
    size_bytes: int = 9
    copied_blobs: int = 1


def test_a_backup_ends_the_line_of_its_progress_before_it_says_the_result(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    session = Session(False, None)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setattr(
        admin.click, "echo", lambda text, nl=True, err=False: print(text, end="\n" if nl else "", flush=True)
    )
    admin._step(session)("blobs" * 30, 36, 37)
    admin._say_done(session, "Backed up to b", Done())
    lines, cursor = [""], 0
    for part in re.findall("\x1b\\[K|.|\n|\r", capsys.readouterr().out):
        # As a terminal shows it: what is not overwritten or cleared stays.
        if part == "\r":
            cursor = 0
        elif part == "\n":
            lines, cursor = [*lines, ""], 0
        elif part == "\x1b[K":
            lines[-1] = lines[-1][:cursor]
        else:
            lines[-1] = lines[-1][:cursor] + part + lines[-1][cursor + 1 :]
            cursor += 1
    assert lines[:-1] == ["Backed up to b: 3 rows in 2 tables, 37 files of 9 bytes (1 copied now)"]

"""Lines made of the texts of a log."""

from __future__ import annotations

from modelyard.sdk.log_lines import lines_of
from modelyard.wire.builds import BuildLogText, BuildLogTime


def text(step: str, line: int, words: str, *times: tuple[int, str], attempt: int = 1) -> BuildLogText:
    made = [BuildLogTime(line=number, at=at) for number, at in times]
    return BuildLogText(attempt=attempt, step=step, line=line, text=words, times=made)


def test_lines_go_on_over_texts_and_end_with_their_step() -> None:
    texts = [
        text("train", 1, "one\ntw", (1, "10:00"), (2, "10:01")),
        text("train", 2, "o\n\nfour\nfi", (2, "10:01"), (4, "10:02")),
        text("test", 1, "1 passed", (1, "10:03")),
        text("train", 0, "[left out]\n", attempt=2),
        text("train", 1, "again", attempt=2),
    ]
    found = [(line.attempt, line.step, line.number, line.at, line.text) for line in lines_of(texts)]
    assert found == [
        (1, "train", 1, "10:00", "one"),
        (1, "train", 2, "10:01", "two"),
        (1, "train", 3, "10:01", ""),
        (1, "train", 4, "10:02", "four"),
        (1, "train", 5, "10:02", "fi"),
        (1, "test", 1, "10:03", "1 passed"),
        (2, "train", 0, None, "[left out]"),
        (2, "train", 1, None, "again"),
    ]


def test_there_is_no_line_after_the_last_end() -> None:
    assert [line.text for line in lines_of([text("train", 1, "one\n")])] == ["one"]
    assert list(lines_of([])) == []

"""Log lines are JSON, one a line, without secrets."""

from __future__ import annotations

import json
import logging
import sys

from modelyard.server.logs import JsonLines

TOKEN = "mdy_user_" + "x" * 49


def formatted(message: str, *arguments: object, **extra: object) -> dict[str, str]:
    record = logging.LogRecord("modelyard.test", logging.WARNING, __file__, 1, message, arguments, None)
    for name, value in extra.items():
        setattr(record, name, value)
    line = JsonLines().format(record)
    assert "\n" not in line
    found: dict[str, str] = json.loads(line)
    return found


def test_a_line_says_when_where_and_what() -> None:
    found = formatted("put %s\n%s", "a", "ä", request_id="r-1", route="/x", milliseconds=1.5, other="left out")
    assert found.pop("at").endswith("+00:00")
    assert found == {
        "level": "warning",
        "logger": "modelyard.test",
        "message": "put a\nä",
        "request_id": "r-1",
        "route": "/x",
        "milliseconds": 1.5,
    }


def test_tokens_are_masked_in_messages_and_tracebacks() -> None:
    try:
        raise ValueError(f"no such token {TOKEN}")
    except ValueError:
        trace = sys.exc_info()
    record = logging.LogRecord("x", logging.ERROR, __file__, 1, "with %s", (TOKEN,), trace)
    line = JsonLines().format(record)
    assert TOKEN not in line
    assert "x" * 20 not in line
    assert "ValueError: no such token mdy_user_***" in json.loads(line)["exception"]

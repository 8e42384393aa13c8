"""Structured logs: one JSON object per line, with request ids, without secrets; on a terminal, readable lines."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from functools import lru_cache

import msgspec

from modelyard.registry.access.secrets import mask

_encoder = msgspec.json.Encoder()
_EXTRAS = ("request_id", "milliseconds", "route")


@lru_cache(2)
def _second_text(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


class JsonLines(logging.Formatter):
    """One line is written for each change, so this is part of its time."""

    def format(self, record: logging.LogRecord) -> str:
        second = int(record.created)
        value = {
            "at": f"{_second_text(second)}.{int((record.created - second) * 1000):03}+00:00",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": mask(record.getMessage()),
        }
        value.update({name: getattr(record, name) for name in _EXTRAS if hasattr(record, name)})
        if record.exc_info:
            value["exception"] = mask(self.formatException(record.exc_info))
        try:
            return _encoder.encode(value).decode()
        except UnicodeEncodeError:
            # A message with half a character, which the other encoder writes as an escape.
            return json.dumps(value)


class Lines(logging.Formatter):
    """The same for a person at a terminal: time, severity and message."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        line = f"{at} {record.levelname.lower()} {mask(record.getMessage())}"
        return f"{line}\n{mask(self.formatException(record.exc_info))}" if record.exc_info else line


def set_up_logs(level: str) -> None:
    """Set up logging to standard error, for this program and its libraries."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines() if sys.stderr.isatty() else JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger("uvicorn.access").disabled = True
    # No line shows any of these, so they need not be collected (the logging HOWTO, "Optimization").
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False

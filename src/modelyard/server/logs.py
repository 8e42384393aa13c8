"""Structured logs: one JSON object a line, with request ids, without secrets."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

from modelyard.registry.access.secrets import mask

_encoder = json.JSONEncoder(ensure_ascii=False)
_EXTRAS = ("request_id", "milliseconds", "route")


class JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        value = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": mask(record.getMessage()),
        }
        value.update({name: getattr(record, name) for name in _EXTRAS if hasattr(record, name)})
        if record.exc_info:
            value["exception"] = mask(self.formatException(record.exc_info))
        return _encoder.encode(value)


def set_up_logs(level: str) -> None:
    """To standard error, for this program and the libraries it uses."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger("uvicorn.access").disabled = True
    # Nothing of this is in a line, so it need not be found out for each (the logging HOWTO, "Optimization").
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False

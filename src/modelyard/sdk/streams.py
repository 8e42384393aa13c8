"""Answers that the server sends while it works: server-sent events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, TypeVar

import msgspec

from modelyard.domain.errors import ServerUnreachable
from modelyard.sdk.http import BROKEN, Transport

LONG_SECONDS = 3600.0
"""Longest time to wait for data from a server that reads all stored bytes."""
_MAX_EVENT_BYTES = 16 * 1024 * 1024


class WorkProgress(Protocol):
    """Progress of the server; the last one has `finished` set."""

    finished: bool


P = TypeVar("P", bound=WorkProgress)


def follow_work(transport: Transport, path: str, progress_type: type[P], work: str) -> Iterator[P]:
    """Have the server do a long piece of work, and return its progress until it has finished.

    work: its name for people. Raises ServerUnreachable when it is interrupted.
    """
    broken_off = ServerUnreachable(url=transport.url, reason=f"the {work} was interrupted")
    finished = False
    try:
        with transport.stream("POST", path, LONG_SECONDS) as response:
            for data in event_data(response.stream(4096)):
                progress = msgspec.json.decode(data, type=progress_type)
                finished = progress.finished
                yield progress
    except BROKEN as exc:
        raise broken_off from exc
    if not finished:
        raise broken_off


def event_data(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Return the data of each server-sent event. Source: WHATWG HTML, section 9.2, as our server writes it."""
    waiting = b""
    for chunk in chunks:
        waiting += chunk
        if len(waiting) > _MAX_EVENT_BYTES:
            return
        *events, waiting = waiting.split(b"\n\n")
        for event in events:
            for line in event.split(b"\n"):
                if line.startswith(b"data: "):
                    yield line[6:]

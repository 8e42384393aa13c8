"""Answers that the server sends while it works: server-sent events."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Protocol, TypeVar

import msgspec

from modelyard.domain.errors import Kind, ModelyardError, ServerUnreachable
from modelyard.sdk.http import BROKEN, Transport

LONG_SECONDS = 3600.0
"""Longest time to wait for data from a server that reads all stored bytes."""
_SILENCE_SECONDS = 60.0
_PAUSE_SECONDS = 1.0
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


def follow_stream(transport: Transport, target: str) -> Iterator[bytes]:
    """Yield the data of each event of a stream, which goes on across restarts of the server; without end.

    Raises ServerUnreachable if the server is away for longer than the client's patience.
    """
    last, failures = "", 0
    while True:
        headers = {"last-event-id": last} if last else {}
        try:
            with transport.stream("GET", target, _SILENCE_SECONDS, headers) as response:
                for identity, data in _events(response.stream(4096)):
                    last, failures = identity or last, 0
                    yield data
        except BROKEN as exc:
            error: ModelyardError = ServerUnreachable(url=transport.url, reason="the stream was interrupted")
            error.__cause__ = exc
        except ModelyardError as exc:
            if exc.kind not in (Kind.BUSY, Kind.UNAVAILABLE):
                raise
            error = exc
        else:
            continue
        failures += 1
        if failures * _PAUSE_SECONDS > transport.patience_seconds:
            raise error
        time.sleep(_PAUSE_SECONDS)


def event_data(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the data of each server-sent event."""
    return (data for _, data in _events(chunks))


def _events(chunks: Iterator[bytes]) -> Iterator[tuple[str, bytes]]:
    """Yield (id, data) of each server-sent event. Source: WHATWG HTML, section 9.2, as our server writes it."""
    waiting = b""
    for chunk in chunks:
        waiting += chunk
        if len(waiting) > _MAX_EVENT_BYTES:
            return
        *events, waiting = waiting.split(b"\n\n")
        for event in events:
            identity = ""
            for line in event.split(b"\n"):
                if line.startswith(b"id: "):
                    identity = line[4:].decode()
                if line.startswith(b"data: "):
                    yield identity, line[6:]

"""The frames of an attempt: kept in a file, and sent in order by a thread, so that no step waits for the server."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from modelyard.agent.opening import Opening
from modelyard.domain.errors import FramesMissing, Kind, ModelyardError
from modelyard.domain.secrets import mask
from modelyard.sdk.http import at
from modelyard.sdk.session import Session
from modelyard.sdk.values import now
from modelyard.wire import builds as wire
from modelyard.wire.base import encode

CUT_BYTES = 64 * 1024
CUT_SECONDS = 0.5
BEAT_SECONDS = 4.0
AWAY_SECONDS = 600.0
"""How long the server may be away before the attempt is given up."""
_MAX_MESSAGE_BYTES = 512 * 1024
_MAX_FRAMES = 200
_MAX_REASON = 2000
_LOOK_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 5.0
_CLOSING_PAUSE_SECONDS = 0.5
_RETRY = (Kind.UNAVAILABLE, Kind.BUSY, Kind.INTERNAL)


class Reports:
    """Takes events and text of the steps, and sends them. Safe in threads; nothing here waits for the network."""

    def __init__(
        self, session: Session, opening: Opening, spool: Path, ask_to_stop: Callable[[str, str], None]
    ) -> None:
        """session: with a short patience, since the thread tries again by itself. opening: with the first frame, which the server
        may have. ask_to_stop: called with cause and reason."""
        self._session, self._ask_to_stop = session, ask_to_stop
        self._path = at("builds", opening.build, "attempts", opening.attempt, "records")
        self._ready = threading.Condition()
        self._file = spool.open("w+b")
        self._frames: list[tuple[int, int] | bytes] = [opening.frame]
        """Where each frame is in the file, as (start, size); the frame itself if the file could not be written."""
        self._size = 0
        self._stored = int(opening.is_stored)
        """Number of frames that the server has."""
        self._text: list[str] = []
        self._text_step, self._text_size, self._text_at = "", 0, 0
        self._cut_at = 0.0
        """Earliest time of the next cut."""
        self._beat_at = time.monotonic() + BEAT_SECONDS
        self._closing = self._given_up = False
        self._thread = threading.Thread(target=self._work, name="modelyard-reports", daemon=True)
        self._thread.start()

    # --- taking --------------------------------------------------------------------------------------

    def event(self, step: str, state: str, *, reason: str = "", **more: Any) -> None:
        """Report that a step is in another state."""
        with self._ready:
            self._cut()
            event = wire.StepEvent(step=step, state=state, at=now(), reason=mask(reason)[:_MAX_REASON], **more)
            self._keep(wire.AttemptFrame(events=[event]))

    def log(self, step: str, text: str) -> None:
        """Report text of a step's log, which has no credentials."""
        if not text:
            return
        with self._ready:
            if step != self._text_step:
                self._cut()
            was_empty = not self._text
            if was_empty:
                self._text_at = now()
            self._text_step = step
            self._text.append(text)
            self._text_size += len(text)
            if self._text_size >= CUT_BYTES:
                self._cut()
            elif was_empty:
                self._ready.notify()

    def end(self, end: wire.AttemptEnd) -> None:
        """Report how the attempt ended."""
        with self._ready:
            self._cut()
            self._keep(wire.AttemptFrame(end=end))

    @property
    def unsent(self) -> int:
        """Return how many frames the server does not have."""
        return len(self._frames) - self._stored

    def close(self, is_over: Callable[[], bool] = lambda: False) -> bool:
        """Wait until the server has everything or has been away for too long, and return whether it has. is_over: whether there is
        no time left for that."""
        with self._ready:
            self._closing = True
            self._ready.notify()
        while self._thread.is_alive() and not is_over():
            self._thread.join(_LOOK_SECONDS)
        return not self.unsent and not self._given_up

    def _cut(self) -> None:
        """Make a frame of the text so far."""
        if not self._text:
            return
        text = "".join(self._text).replace("\0", "\N{REPLACEMENT CHARACTER}")
        step, at_ = self._text_step, self._text_at
        self._text, self._text_size = [], 0
        self._cut_at = time.monotonic() + CUT_SECONDS
        for start in range(0, len(text), CUT_BYTES):
            piece = text[start : start + CUT_BYTES]
            self._keep(wire.AttemptFrame(events=[wire.StepEvent(step=step, at=at_, log=piece)]))

    def _keep(self, frame: wire.AttemptFrame) -> None:
        raw = encode(frame)
        try:
            written = os.pwrite(self._file.fileno(), raw, self._size)
        except OSError:
            written = 0
        if written == len(raw):
            self._frames.append((self._size, written))
            self._size += written
        else:
            # The disk is full, perhaps by the training itself: that must be told all the same.
            self._frames.append(raw)
        self._ready.notify()

    # --- sending -------------------------------------------------------------------------------------

    def _work(self) -> None:
        away_since: float | None = None
        failures = 0
        while not self._given_up:
            message = self._next_message()
            if message is None:
                return
            try:
                standing = self._session.transport.call(
                    "POST", self._path, body=message, returns=wire.AttemptStanding
                )
            except ModelyardError as error:
                present = time.monotonic()
                if isinstance(error, FramesMissing):
                    with self._ready:
                        self._stored = min(self._stored, int(error.fields["known"]))
                    continue
                away_since = away_since or present
                if error.kind not in _RETRY:
                    self._give_up("superseded", str(error))
                elif present - away_since > AWAY_SECONDS:
                    self._give_up("away", f"the server did not answer for {AWAY_SECONDS:.0f} s: {error}")
                else:
                    failures += 1
                    longest = _CLOSING_PAUSE_SECONDS if self._closing else _LONGEST_PAUSE_SECONDS
                    time.sleep(min(longest, 0.1 * 2 ** min(failures, 8)))
                continue
            away_since, failures = None, 0
            with self._ready:
                self._stored = min(standing.last, len(self._frames))
                self._beat_at = time.monotonic() + BEAT_SECONDS
            if standing.wanted == "cancel":
                self._ask_to_stop("cancelled", "cancelled on request")

    def _give_up(self, cause: str, reason: str) -> None:
        self._given_up = True
        self._ask_to_stop(cause, reason)

    def _next_message(self) -> wire.SendAttempt | None:
        """Wait for the next message: frames, or a beat when it is due. None: everything was sent, and no more will come."""
        with self._ready:
            while True:
                present = time.monotonic()
                if self._text and (present >= self._cut_at or self._closing):
                    self._cut()
                if self._stored < len(self._frames):
                    return self._message()
                if self._closing:
                    return None
                if present >= self._beat_at:
                    return wire.SendAttempt(first=self._stored + 1)
                due = min(self._beat_at, self._cut_at) if self._text else self._beat_at
                self._ready.wait(max(0.0, due - present))

    def _message(self) -> wire.SendAttempt:
        first = self._stored
        frames: list[wire.AttemptFrame] = []
        size = 0
        for place in self._frames[first : first + _MAX_FRAMES]:
            raw = place if isinstance(place, bytes) else os.pread(self._file.fileno(), place[1], place[0])
            size += len(raw)
            if frames and size > _MAX_MESSAGE_BYTES:
                break
            frames.append(msgspec.json.decode(raw, type=wire.AttemptFrame))
        return wire.SendAttempt(first=first + 1, frames=frames)

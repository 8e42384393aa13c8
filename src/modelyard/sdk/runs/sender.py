"""Send a writer's frames from the spool to the server: in order, once, and with endless retries."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from modelyard.domain.digest import Digest
from modelyard.domain.errors import BytesWithheld, Invalid, Kind, ModelyardError, RecordsMissing, RunNotFound
from modelyard.sdk import forks
from modelyard.sdk.files import LocalFile
from modelyard.sdk.http import at
from modelyard.sdk.progress import Silent
from modelyard.sdk.runs.spool import Header, Line, SpoolReader
from modelyard.sdk.session import Session
from modelyard.sdk.transfer import send_missing
from modelyard.wire import runs as wire

logger = logging.getLogger("modelyard")

MOST_BYTES = 3 * 1024 * 1024
MOST_FRAMES = 500
HEARTBEAT_SECONDS = 30.0
_LEAST_PAUSE_SECONDS = 0.1
_MOST_PAUSE_SECONDS = 5.0
_REFUSED_PAUSE_SECONDS = 30.0
_TIMEOUT_SECONDS = 30.0

_frames = msgspec.json.Decoder(wire.Frame)


class Delivery:
    """The delivery from one writer to one server. The server's errors are raised; nothing is lost by them."""

    def __init__(self, client: Session, folder: Path, header: Header) -> None:
        self.client = client
        self.folder = folder
        self.header = header
        self.reader = SpoolReader(folder, header.writer)
        self.notes: list[str] = []
        """Records that the server cut or left out."""
        self._writer = header.writer
        # The numbers of a writer that the server does not know begin at 1.
        self._skipped = 0
        self._begun = header.start is None

    def step(self, *, heartbeat: bool = False) -> bool:
        """Send the next frames; return whether there were any. heartbeat: send a request even without frames."""
        self._begin()
        lines = self.reader.peek(MOST_BYTES, MOST_FRAMES)
        if not lines and not heartbeat:
            return False
        files = self._files_of(lines)
        for path, digest in files:
            # One file at a time, because no threads can be started at the end of a process.
            info = path.stat()
            local = LocalFile(path.name, path, info.st_size, info.st_mtime_ns)
            # The server omits a file whose bytes are withheld, adds a note, and accepts everything else.
            with suppress(BytesWithheld):
                send_missing(self.client.transport, [(local, digest)], 1, Silent())
        try:
            stored = self._post(lines)
        except RecordsMissing as error:
            self._start_over(int(error.fields.get("known", 0)))
            return True
        self.notes += [words for words in stored.notes if words not in self.notes]
        if lines:
            self.reader.acknowledge(lines[-1])
            for path, _ in files:
                path.unlink(missing_ok=True)
        return bool(lines)

    def _begin(self) -> None:
        if not self._begun:
            assert self.header.start is not None
            self.client.transport.call("PUT", at("runs", self.header.run), body=self.header.start)
            self._begun = True

    def _files_of(self, lines: list[Line]) -> list[tuple[Path, Digest]]:
        """Return the logged files of these frames whose bytes are still here."""
        found: dict[str, tuple[Path, Digest]] = {}
        for line in lines:
            if b'"artifacts"' not in line.raw:
                continue
            for artifact in _frames.decode(line.raw).artifacts:
                digest = Digest.parse(artifact.digest)
                path = self.folder / "files" / digest.hex
                if path.exists():
                    found[digest] = (path, digest)
        return list(found.values())

    def _post(self, lines: list[Line]) -> wire.Stored:
        first = (lines[0].number if lines else self.reader.acknowledged + 1) - self._skipped
        body = b'{"writer":"%s","first":%d,"clock":%d,"frames":[%s]}' % (
            self._writer.encode(),
            first,
            time.time_ns() // 1000,
            b",".join(line.raw for line in lines),
        )
        reply = self.client.transport.send(
            "POST",
            at("runs", self.header.run, "records"),
            headers={"content-type": "application/json"},
            body=lambda: body,
            timeout_seconds=_TIMEOUT_SECONDS,
        )
        stored: wire.Stored = self.client.transport.decode(reply, wire.Stored, "records")
        return stored

    def _start_over(self, known: int) -> None:
        """Continue after the server lost acknowledged frames (it was restored from a backup), under a new writer name, so
        that the next frames are kept."""
        lost = self.reader.acknowledged - self._skipped - known
        logger.warning("run %s: the server no longer has %d records of this writer", self.header.run, lost)
        self._skipped = self.reader.acknowledged
        self._writer = f"{self.header.writer[:48]}-{self._skipped}"


class Sender:
    """A thread that delivers while the run is active, whatever the state of the server."""

    def __init__(self, connect: Callable[[], Session], folder: Path, header: Header) -> None:
        self._connect = connect
        self._folder = folder
        self._header = header
        self._wake = threading.Event()
        self._stopping = False
        self._delivery: Delivery | None = None
        self._told: set[str] = set()
        self.failure: ModelyardError | None = None
        """Error of the last failed attempt; None while records get through."""
        self.delivered = 0
        """Number of the last frame that the server has."""
        self._thread = threading.Thread(target=self._work, name="modelyard-send", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        self._wake.set()

    def wait_for(self, number: int, seconds: float) -> bool:
        """Return whether the server gets the frame of this number in time. Gives up early if the server refuses."""
        end = time.monotonic() + seconds
        while self.delivered < number and self._thread.is_alive():
            failure = self.failure
            if time.monotonic() > end:
                return False
            if failure is not None and not self._may_pass(failure):
                return False
            self._wake.set()
            time.sleep(0.01)
        return self.delivered >= number

    def stop(self) -> None:
        self._stopping = True
        self._wake.set()
        self._thread.join(timeout=1)

    def _work(self) -> None:
        last_contact = 0.0
        pause = _LEAST_PAUSE_SECONDS
        while not self._stopping:
            try:
                silent = time.monotonic() - last_contact > HEARTBEAT_SECONDS
                if self._delivery is None:
                    with forks.importing:
                        self._delivery = Delivery(self._connect(), self._folder, self._header)
                        sent = self._delivery.step(heartbeat=silent)
                else:
                    sent = self._delivery.step(heartbeat=silent)
                if sent or silent:
                    last_contact = time.monotonic()
                self.delivered = self._delivery.reader.acknowledged
                if self.failure is not None and self.failure.code in self._told:
                    logger.warning("run %s: the server is back", self._header.run)
                self.failure = None
                pause = _LEAST_PAUSE_SECONDS
                if sent:
                    continue
                self._rest(pause)
            except ModelyardError as error:
                self._tell(error)
                refused = not self._may_pass(error)
                if refused:
                    # A new token may exist by then.
                    self._delivery = None
                self._rest(_REFUSED_PAUSE_SECONDS if refused else pause)
                pause = min(_MOST_PAUSE_SECONDS, 2 * pause)
            except Exception as error:  # noqa: BLE001 - a thread that ends here would keep the rest from the server
                self._tell(Invalid(reason=f"sending failed ({type(error).__name__}: {error})", fix=""))
                self._rest(_MOST_PAUSE_SECONDS)

    def _may_pass(self, error: ModelyardError) -> bool:
        """Return whether a retry may help. A process that joins a run may come before the one that begins it."""
        joins = self._header.start is None
        return error.kind in (Kind.UNAVAILABLE, Kind.BUSY) or (joins and isinstance(error, RunNotFound))

    def _rest(self, seconds: float) -> None:
        self._wake.wait(seconds)
        self._wake.clear()

    def _tell(self, error: ModelyardError) -> None:
        """Warn once for each kind of failure, so as not to fill the training's output."""
        self.failure = error
        if isinstance(error, RunNotFound) and self._may_pass(error):
            return
        if error.code not in self._told:
            self._told.add(error.code)
            logger.warning("run %s: %s The run continues, and its records are kept.", self._header.run, error)

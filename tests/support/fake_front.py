"""A front of a deployment that serves nothing: it speaks the control socket, and does as if its workers had started.

`python -m tests.support.fake_front FOLDER`. What it should do wrong is in the file `faults.json` of the deployments' folder:
`{"fails": {"fraud/scorer:2": "no environment"}, "never_ready": ["fraud/scorer:3"]}`.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import sys
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any

import msgspec

from modelyard.domain.times import time_text, to_moment
from modelyard.wire.scorer import RevisionState, ScorerState, Swap, Wanted


class Front:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lock = threading.Lock()
        opened = socket.create_server(("127.0.0.1", 0))
        self.opened = opened
        old = self._read("state.json")
        self.state = ScorerState(
            generation=0,
            host="127.0.0.1",
            port=opened.getsockname()[1],
            pid=os.getpid(),
            started_at=_now(),
            swaps=[] if old is None else msgspec.convert(old["swaps"], list[Swap]),
        )

    def _read(self, name: str) -> Any:
        try:
            return json.loads((self.folder / name).read_bytes())
        except FileNotFoundError:
            return None

    def faults(self) -> Any:
        try:
            return json.loads((self.folder.parent / "faults.json").read_bytes())
        except FileNotFoundError:
            return {}

    def begin(self) -> None:
        wanted = self._read("wanted.json")
        if wanted is not None:
            self.order(msgspec.convert(wanted, Wanted))

    def order(self, wanted: Wanted) -> None:
        with self.lock:
            if wanted.generation <= self.state.generation:
                return
            faults = self.faults()
            state = self.state
            revisions = {each.number: each for each in state.revisions}
            found = []
            for each in wanted.revisions:
                known = revisions.get(each.number)
                if known is None or known.state == "failed":
                    known = RevisionState(
                        number=each.number, state="warm", reference=each.reference, digest=each.digest
                    )
                    known.environment = "env-" + each.digest[-8:]
                    known.ready_at = _now()
                    if each.reference in faults.get("fails", {}):
                        known.state, known.reason = "failed", faults["fails"][each.reference]
                    elif each.reference in faults.get("never_ready", ()):
                        known.state = "starting"
                known.role = each.role
                found.append(known)
            serving = next(each for each in found if each.role == "serving")
            before = state.serving
            if serving.state in ("warm", "ready"):
                serving.state = "ready"
                state.serving = serving.number
                if before != serving.number:
                    self._swap(before, serving.number, wanted.generation, "wanted")
                for each in found:
                    if each is not serving and each.state == "ready":
                        each.state = "warm"
            elif serving.state == "failed":
                self._swap(before, serving.number, wanted.generation, f"start failed: {serving.reason}")
                kept = revisions.get(before) if before is not None else None
                if kept is not None and kept not in found:
                    found.append(kept)
            state.revisions = found
            state.settled = serving.state != "starting"
            state.generation = wanted.generation
            self.save()

    def _swap(self, before: int | None, after: int, generation: int, why: str) -> None:
        self.state.swaps.append(
            Swap(before=before, after=after, generation=generation, at=_now(), milliseconds=1.5, why=why)
        )

    def save(self) -> None:
        new = self.folder / "state.json.new"
        new.write_bytes(msgspec.json.encode(self.state))
        new.replace(self.folder / "state.json")


def _now() -> str:
    return time_text(to_moment(datetime.now(UTC)))


class _Server(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True


def main() -> None:
    folder = Path(sys.argv[1])
    lock = (folder / "front.lock").open("a")
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    front = Front(folder)

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Say nothing about each request."""

        def _answer(self, status: int) -> None:
            with front.lock:
                body = msgspec.json.encode(front.state)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            self._answer(200)

        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            new = folder / "wanted.json.by-front"
            new.write_bytes(body)
            wanted = msgspec.json.decode(body, type=Wanted)
            if wanted.generation > front.state.generation:
                new.replace(folder / "wanted.json")
            front.order(wanted)
            self._answer(202)

        def do_POST(self) -> None:
            self._answer(202)
            os.kill(os.getpid(), signal.SIGTERM)

    (folder / "control.sock").unlink(missing_ok=True)
    os.chdir(folder)
    server = _Server("control.sock", Handler)  # type: ignore[arg-type]
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    front.begin()
    print("the front serves", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()

"""1 GiB up and down, against MLflow, nginx and a plain Python loop; and what a second push sends.

Every turn begins with nothing left to write, with the file in the page cache and all other servers stopped, and one
plain client for all: a new connection, one request, from the first byte sent to the last one received. nginx sends
the very file that the registry stores. Memory is sampled in turns of its own, which are not timed: a sample stops
the server for a moment and takes the client's time.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from tests.support.server import RunningServer, running_server

from benchmarks import peers
from benchmarks.load import download_seconds, interleaved, random_file, settle, upload_seconds
from benchmarks.peers import Server, memory_mb, plain_write
from benchmarks.table import Row, at_most, faster
from modelyard.blobs.layout import blob_key
from modelyard.domain.digest import Digest

_SIZE = 1 << 30
_ROUNDS = 3
"""With MLflow, whose turns take ten seconds."""
_CLOSE_ROUNDS = 9
"""With what is nearly as fast."""


class Peak:
    """The highest memory of a server, in MB, sampled while something runs."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.highest = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        while not self._stop.wait(0.05):
            self.highest = max(self.highest, memory_mb(self.pid))

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def up(server: RunningServer, source: Path) -> float:
    """Bytes that the server never saw: the first block is changed before each round."""
    token = {"Authorization": f"Bearer {server.token}"}
    with source.open("r+b") as file:
        file.write(os.urandom(32))
    with source.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    settle()
    return upload_seconds(f"{server.url}/api/v1/blobs/sha256:{digest}", source, token)


def measure(folder: Path) -> list[Row]:
    source = random_file(folder / "model.bin", _SIZE)
    target = folder / "plain.bin"
    half = {"Range": f"bytes={_SIZE // 2}-{_SIZE - 1}"}
    with ExitStack() as stack:
        server = stack.enter_context(running_server(folder=folder / "ours"))
        nginx = stack.enter_context(peers.nginx(folder / "nginx", folder))
        mlflow = {w: stack.enter_context(peers.mlflow(folder / f"mlflow-{w}", w)) for w in (4, 1)}
        pids = {server.pid, nginx.pid, *(peer.pid for peer in mlflow.values())}
        token = {"Authorization": f"Bearer {server.token}"}
        artifact = "/api/2.0/mlflow-artifacts/artifacts/1/model.bin"

        def taken(pid: int, work: Callable[[], float]) -> Callable[[], float]:
            def run() -> float:
                with peers.alone(pid, pids):
                    settle()
                    return work()

            return run

        def from_mlflow(work: Callable[[Server], float]) -> dict[str, Callable[[], float]]:
            return {f"mlflow {w}": taken(peer.pid, partial(work, peer)) for w, peer in mlflow.items()}

        send = taken(server.pid, lambda: up(server, source))
        sent = interleaved(
            _ROUNDS,
            {"ours": send, **from_mlflow(lambda peer: upload_seconds(peer.url + artifact, source, {}))},
        )
        sent_close = interleaved(
            _CLOSE_ROUNDS, {"ours": send, "plain": taken(0, lambda: plain_write(source, target))}
        )
        client = server.client()
        version = client.push(source, "bench/large", capture=False)
        stored = client.versions.files(version.reference)[0]
        ours = f"{server.url}/api/v1/models/bench/large/versions/1/files/{stored.path}"
        theirs = f"{nginx.url}/{(server.data / blob_key(Digest.parse(stored.digest))).relative_to(folder)}"
        get = taken(server.pid, lambda: download_seconds(ours, token))
        get_half = taken(server.pid, lambda: download_seconds(ours, {**token, **half}))
        got = interleaved(
            _ROUNDS,
            {"ours": get, **from_mlflow(lambda peer: download_seconds(peer.url + artifact, {}))},
        )
        got_close = interleaved(
            _CLOSE_ROUNDS,
            {
                "ours": get,
                "nginx": taken(nginx.pid, lambda: download_seconds(theirs, {})),
                "ours, half": get_half,
                "nginx, half": taken(nginx.pid, lambda: download_seconds(theirs, half)),
            },
        )
        with Peak(server.pid) as peak:
            for transfer in (send, get, get_half):
                transfer()
        again = second_push_bytes(server, source)
    peer_up = min(sent["mlflow 4"], sent["mlflow 1"])
    peer_down = min(got["mlflow 4"], got["mlflow 1"])
    return [
        faster("1 GiB up", sent["ours"], peer_up, 1.5, "s", "MLflow"),
        faster(
            "1 GiB up, against sha256 + write + fsync",
            sent_close["ours"],
            sent_close["plain"],
            0.8,
            "s",
            "plain Python",
        ),
        faster("1 GiB down", got["ours"], peer_down, 6, "s", "MLflow"),
        faster("1 GiB down, whole", got_close["ours"], got_close["nginx"], 0.9, "s", "nginx sendfile"),
        faster("½ GiB Range", got_close["ours, half"], got_close["nginx, half"], 0.9, "s", "nginx sendfile"),
        at_most("server memory during the transfers", peak.highest, 150, "MB"),
        at_most("file bytes sent by a second push", float(again), 0, "bytes"),
    ]


class UploadCounter:
    """Counts the bytes of files that a push sends."""

    def __init__(self) -> None:
        self.sent = 0
        self._uploading = False

    def begin(self, phase: str, total_bytes: int) -> None:
        del total_bytes
        self._uploading = phase == "upload"

    def advance(self, size_bytes: int) -> None:
        if self._uploading:
            self.sent += size_bytes

    def end(self) -> None:
        self._uploading = False


def second_push_bytes(server: RunningServer, source: Path) -> int:
    """What a push of the same file sends of it."""
    counter = UploadCounter()
    server.client().push(source, "bench/large", capture=False, progress=counter)
    return counter.sent

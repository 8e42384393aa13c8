"""The worker process: loads one version and predicts, until the front closes the socket.

It runs in the version's own environment, with the standard library and what the saver needs; it is started by `launch` as
`python -c`, with the number of its socket. Its frames to the front: {"kind": "ready", …} or {"kind": "failed", "reason"},
then for each batch one {"id", "outputs"}, or one {"id", "part", "outputs" | "error"} for each request in it, if the batch
as a whole raised an error: one bad row must not fail its neighbours.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import socket
import sys
import traceback
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from modelyard.scorer.flavours import Flavour, flavour_of
from modelyard.scorer.frames import PREFIX, Tensor, joined, lengths, pack, read_head, read_tensors

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS, _SIGKILL = 1, 38, 9
_WORDS = 500


class Channel:
    """The worker's end of the socket."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def receive(self) -> tuple[dict[str, Any], bytes]:
        """Return head and body of the next frame. Ends the process when the front has gone."""
        head, body = lengths(self._exactly(PREFIX.size))
        told = self._exactly(head)
        return read_head(told), self._exactly(body) if body else b""

    def _exactly(self, count: int) -> bytes:
        found = self._sock.recv(count)
        if len(found) == count:
            return found
        pieces, left = [found], count - len(found)
        while left:
            if not pieces[-1]:
                # Threads of the libraries must not keep the process.
                os._exit(0)
            pieces.append(self._sock.recv(min(left, 1 << 20)))
            left -= len(pieces[-1])
        return b"".join(pieces)

    def send(self, frame: bytes) -> None:
        self._sock.sendall(frame)


def main(number: int) -> None:
    """number: of the inherited socket."""
    _end_with_front()
    channel = Channel(socket.socket(fileno=number))
    # What a library prints belongs into the log, never between frames.
    os.dup2(2, 1)
    warnings.simplefilter("ignore")
    start, _ = channel.receive()
    try:
        _limit(start.get("memory_bytes"))
        flavour = flavour_of(Path(start["folder"]), start.get("signature"))
    except BaseException as error:  # noqa: BLE001 - whatever it was, the front must know it
        channel.send(pack({"kind": "failed", "reason": words_for(error)}))
        return
    channel.send(pack({"kind": "ready", "pid": os.getpid(), **flavour.described()}))
    while True:
        head, body = channel.receive()
        channel.send(answer(flavour, head, body))


def answer(flavour: Flavour, head: dict[str, Any], body: bytes) -> bytes:
    """Return the frames that answer a batch. head: id, rows of each request (`parts`), method, tensors."""
    told = {"id": head["id"]}
    tensors = read_tensors(head.get("tensors", ()), body)
    parts: list[int] = head["parts"]
    try:
        return pack(told, flavour.predict(tensors, head["method"]), "outputs")
    except Exception as error:  # noqa: BLE001 - models raise anything
        if len(parts) == 1:
            return pack({**told, "part": 0, "error": words_for(error)})
    frames, start = [], 0
    for index, rows in enumerate(parts):
        alone = [tensor.part(start, start + rows) for tensor in tensors]
        start += rows
        frames.append(_alone(flavour, {**told, "part": index}, alone, head["method"]))
    return b"".join(frames)


def _alone(flavour: Flavour, told: dict[str, Any], tensors: Sequence[Tensor], method: str) -> bytes:
    try:
        return pack(told, flavour.predict(joined([tensors]), method), "outputs")
    except Exception as error:  # noqa: BLE001 - models raise anything
        return pack({**told, "error": words_for(error)})


def words_for(error: BaseException) -> str:
    """Return one line about an error, for the caller and the log."""
    if type(error).__module__.startswith("modelyard."):
        return str(error)[:_WORDS]
    traceback.print_exception(error, limit=-8, file=sys.stderr)
    text = " ".join(str(error).split())[:_WORDS]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _limit(memory_bytes: int | None) -> None:
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if memory_bytes is not None:
            resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))


def _end_with_front() -> None:
    """End when the front ends, even by SIGKILL while a prediction runs, and gain no rights by programs."""
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


if __name__ == "__main__":
    main(int(json.loads(sys.argv[1])))

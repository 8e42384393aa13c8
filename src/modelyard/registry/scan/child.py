"""Scan files in a child process: a line of JSON in, requests for bytes and a line of JSON out."""

from __future__ import annotations

import json
import os
import sys
from typing import Any, BinaryIO

from modelyard.domain.scanning import scan
from modelyard.domain.scanning.verdicts import not_scanned
from modelyard.registry.scan.hdf5 import read_hdf5
from modelyard.registry.scan.process import CPU_SECONDS, MEMORY_BYTES

_GROWN_BYTES = 256 << 20


class _Remote:
    """The bytes of the file, requested over the pipes."""

    def __init__(self, size_bytes: int, incoming: BinaryIO, outgoing: BinaryIO) -> None:
        self.size_bytes = size_bytes
        self._incoming = incoming
        self._outgoing = outgoing

    def read(self, offset: int, length: int) -> bytes:
        _say(self._outgoing, {"read": [offset, length]})
        size = int.from_bytes(self._incoming.read(4), "big")
        return self._incoming.read(size)


def _say(outgoing: BinaryIO, value: dict[str, Any]) -> None:
    outgoing.write(json.dumps(value).encode() + b"\n")
    outgoing.flush()


def _limit(used_seconds: float) -> None:
    """Limit memory and files for good, and processor time for the next file. On a platform without limits, only the
    parent's patience and the rules' own counts apply."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used_seconds) + CPU_SECONDS, hard))


def _use() -> tuple[float, int]:
    """Return (processor seconds, peak bytes of memory) of this process so far."""
    try:
        import resource
    except ImportError:
        return 0.0, 0
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime, used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main() -> None:
    incoming, outgoing = sys.stdin.buffer, sys.stdout.buffer
    # Each thread of NumPy's library reserves memory, which is limited here.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    while line := incoming.readline():
        _limit(_use()[0])
        source = _Remote(json.loads(line)["size"], incoming, outgoing)
        leaves = False
        try:
            found = scan(source, read_hdf5)
        except MemoryError:
            found, leaves = not_scanned(f"it needs more than {MEMORY_BYTES >> 30} GiB of memory"), True
        _say(outgoing, {"found": found.to_json(), "leaves": leaves or _use()[1] > _GROWN_BYTES})


if __name__ == "__main__":
    main()

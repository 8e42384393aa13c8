"""The loads, the same for everybody: wrk for many small requests, one plain client for large files."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

K = TypeVar("K")


def need_programs() -> None:
    for name in ("wrk", "nginx"):
        if not shutil.which(name) and not Path(f"/usr/sbin/{name}").exists():
            raise SystemExit(f"the benchmarks need {name}: apt install wrk nginx-light")


def requests_a_second(
    url: str, connections: int, seconds: int, headers: dict[str, str], script: Path | None = None
) -> float:
    """Of a closed loop over `connections` connections. Any answer other than 2xx or 3xx is an error."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s"]
    for name, value in headers.items():
        command += ["-H", f"{name}: {value}"]
    if script is not None:
        command += ["-s", str(script)]
    output = subprocess.run([*command, url], capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in output or "Socket errors" in output:
        raise RuntimeError(f"{url}: {output}")
    found = re.search(r"Requests/sec:\s+([\d.]+)", output)
    assert found is not None, output
    return float(found[1])


def post_script(
    folder: Path, path: str, body: dict[str, object], counted: str, headers: dict[str, str]
) -> Path:
    """A script for wrk that posts `body` with a new number each time in the place of `counted`."""
    text = json.dumps(body)
    assert counted in text
    before, after = text.split(counted)
    lines = "".join(
        f'["{name}"]="{value}",' for name, value in {**headers, "Content-Type": "application/json"}.items()
    )
    script = folder / f"post-{abs(hash(path + text))}.lua"
    script.write_text(
        f"local n = 0\nlocal seed = tostring({{}}):gsub('[^%w]', '')\n"
        f"request = function()\n  n = n + 1\n"
        f"  return wrk.format('POST', '{path}', {{{lines}}}, '{before}' .. seed .. n .. '{after}')\nend\n"
    )
    return script


def median_ms(url: str, headers: dict[str, str], times: int) -> float:
    """The median time of one request after another on one connection, in milliseconds."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=60)
    connection.connect()
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    taken = []
    for _ in range(times + 2):
        started = time.perf_counter()
        connection.request("GET", target, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        taken.append((time.perf_counter() - started) * 1000)
        if answer.status != 200:
            raise RuntimeError(f"{url}: {answer.status} {body[:300]!r}")
    connection.close()
    return statistics.median(taken[2:])


def upload_seconds(url: str, source: Path, headers: dict[str, str]) -> float:
    """One PUT of the whole file."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=300, blocksize=1 << 20)
    started = time.perf_counter()
    with source.open("rb") as file:
        connection.request(
            "PUT", parts.path, body=file, headers={**headers, "Content-Length": str(source.stat().st_size)}
        )
        answer = connection.getresponse()
        body = answer.read()
    elapsed = time.perf_counter() - started
    connection.close()
    if answer.status >= 300:
        raise RuntimeError(f"{url}: {answer.status} {body[:300]!r}")
    return elapsed


def download_seconds(url: str, headers: dict[str, str]) -> float:
    """One GET, the bytes dropped as they come."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=300)
    buffer = bytearray(1 << 20)
    started = time.perf_counter()
    connection.request("GET", parts.path, headers=headers)
    answer = connection.getresponse()
    received = 0
    while count := answer.readinto(buffer):
        received += count
    elapsed = time.perf_counter() - started
    connection.close()
    if answer.status not in (200, 206) or received != int(answer.headers["content-length"]):
        raise RuntimeError(f"{url}: {answer.status}, {received} bytes")
    return elapsed


def interleaved(rounds: int, measures: Mapping[K, Callable[[], float]]) -> dict[K, float]:
    """The median of each measure, taken in turns so that a busy minute hurts all alike.

    Every other round goes backwards, so that none always comes after the same other one.
    """
    found: dict[K, list[float]] = {name: [] for name in measures}
    for number in range(rounds):
        for name, measure in list(measures.items())[:: -1 if number % 2 else 1]:
            found[name].append(measure())
            print(f"   {name}: {found[name][-1]:,.2f}", file=sys.stderr, flush=True)
    return {name: statistics.median(values) for name, values in found.items()}


def settle() -> None:
    """Let the disk finish what earlier turns wrote or removed, and a server that was stopped its timers."""
    os.sync()
    time.sleep(0.5)


def random_file(path: Path, size_bytes: int) -> Path:
    with path.open("wb") as file:
        for _ in range(size_bytes >> 20):
            file.write(os.urandom(1 << 20))
    return path

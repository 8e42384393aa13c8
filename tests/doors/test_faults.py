"""The database gone, the disk full, clients that stall, a server that is told to stop: nothing is lost."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import urllib3

from modelyard.domain.errors import DiskFull
from modelyard.sdk.client import Client
from modelyard.sdk.views import Version
from tests.support.disks import SmallDisk, fill
from tests.support.postgres import OVERRIDE, PostgresServer, running_postgres
from tests.support.registry import unique
from tests.support.server import RunningServer, run_command, running_server
from tests.support.services import needed

MIB = 1 << 20


def model_folder(folder: Path, name: str, size: int = 1000) -> Path:
    made = folder / name
    made.mkdir()
    (made / "weights.bin").write_bytes(os.urandom(size))
    return made


def ask(server: RunningServer, method: str, path: str, body: object = None) -> urllib3.BaseHTTPResponse:
    """One try of a client that repeats nothing."""
    headers = {"authorization": f"Bearer {server.token}", "content-type": "application/json"}
    return urllib3.request(
        method,
        server.url + path,
        headers=headers,
        body=None if body is None else json.dumps(body),
        retries=False,
        timeout=30,
    )


def until(server: RunningServer, path: str, status: int) -> urllib3.BaseHTTPResponse:
    """Ask until the answer has this status."""
    for _ in range(600):
        answer = ask(server, "GET", path)
        if answer.status == status:
            return answer
        time.sleep(0.05)
    raise AssertionError(f"{path} never answered {status}; last: {answer.status} {answer.data[:300]!r}")


# --- the database goes away ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL for this module alone, since it is made to fail."""
    if os.environ.get(OVERRIDE):
        pytest.skip(f"{OVERRIDE} names a server that is not ours to cut off")
    with needed(running_postgres()) as server:
        yield server


class Cut:
    """Takes a PostgreSQL away from its clients: no one can connect, and the person who is connected is cut off."""

    def __init__(self, server: PostgresServer) -> None:
        folder = Path(parse_qs(urlsplit(server.admin_url).query)["host"][0])
        self._socket, self._hidden = folder / ".s.PGSQL.5432", folder / "hidden"
        self._postmaster = int((folder / "data" / "postmaster.pid").read_text().split()[0])

    def __enter__(self) -> None:
        self._socket.rename(self._hidden)
        task = Path(f"/proc/{self._postmaster}/task/{self._postmaster}/children")
        for pid in task.read_text().split():
            # A backend may end by itself between the list and the look at it.
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                if b"[local]" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    os.kill(int(pid), signal.SIGTERM)

    def __exit__(self, *_: object) -> None:
        self._hidden.rename(self._socket)


def test_the_database_is_gone_for_a_while(own_postgres: PostgresServer, tmp_path: Path) -> None:
    url = own_postgres.create_database()
    with running_server(url) as server, server.client(patience_seconds=60) as client, ExitStack() as stack:
        acknowledged: list[Version] = [
            client.push(model_folder(tmp_path, "before"), "team/model", capture=False)
        ]
        stop = threading.Event()

        def push_on() -> None:
            n = 0
            while not stop.is_set():
                folder = model_folder(tmp_path, str(n))
                acknowledged.append(client.push(folder, "team/model", params={"n": n}, capture=False))
                n += 1

        def wait_for(count: int) -> None:
            """Raises what a push raised."""
            until = time.monotonic() + 120
            while len(acknowledged) < count and not pushing.done():
                assert time.monotonic() < until, f"only {len(acknowledged)} of {count} pushes arrived"
                time.sleep(0.01)
            if pushing.done():
                pushing.result()

        pool = stack.enter_context(ThreadPoolExecutor(1))
        stack.callback(stop.set)
        pushing = pool.submit(push_on)
        wait_for(5)
        with Cut(own_postgres):
            gone = until(server, "/ready", 503)
            assert json.loads(gone.data)["database"] == "the database does not answer"
            assert gone.headers["retry-after"] == "1"
            assert ask(server, "GET", "/health").status == 200
            for method, path, body in (
                ("POST", "/api/v1/namespaces", {"name": "late"}),
                ("PUT", "/api/v1/models/team/model/aliases/champion", {"version": 1}),
                ("GET", "/api/v1/resolve?ref=team/model:1", None),
            ):
                answer = ask(server, method, path, body)
                assert (answer.status, answer.headers["retry-after"]) == (503, "1")
                assert json.loads(answer.data)["code"] == "database_unavailable"
        until(server, "/ready", 200)
        wait_for(len(acknowledged) + 3)
        stop.set()
        pushing.result()
        found = {version.version: version for version in client.versions.list("team/model")}
        assert sorted(found) == list(range(1, len(acknowledged) + 1))
        for version in acknowledged:
            assert found[version.version].digest == version.digest
            assert client.versions.verify(version.reference).damaged == []
        assert ask(server, "GET", "/api/v1/namespaces/late").status == 404


def test_a_database_that_comes_and_goes_costs_no_push(own_postgres: PostgresServer, tmp_path: Path) -> None:
    """Cut off in whatever step each process is: an answer that is no invitation to try again would end a push."""
    chance = random.Random(20260301)
    url = own_postgres.create_database()
    with running_server(url) as server, server.client(patience_seconds=60) as client:
        stop = threading.Event()

        def push_on(model: str) -> int:
            n = 0
            while not stop.is_set():
                folder = model_folder(tmp_path, f"{model}-{n}")
                client.push(folder, f"team/{model}", params={"n": n}, capture=False)
                n += 1
            return n

        with ThreadPoolExecutor(3) as pool:
            pushing = [pool.submit(push_on, model) for model in ("one", "two", "three")]
            try:
                for _ in range(25):
                    with Cut(own_postgres):
                        time.sleep(0.3 * chance.random())
                    time.sleep(0.6 * chance.random())
            finally:
                stop.set()
            pushed = [each.result() for each in pushing]
        for model, count in zip(("one", "two", "three"), pushed, strict=True):
            assert len(list(client.versions.list(f"team/{model}"))) == count


# --- the disk is full ----------------------------------------------------------------------------------


def test_the_disk_is_full(small_disk: SmallDisk, tmp_path: Path) -> None:
    data = small_disk.mounted_at / "data"
    with running_server(data=data, enter=small_disk.enter, upload_chunk_bytes=2 * MIB) as server:
        client = server.client(patience_seconds=0)
        first = client.push(model_folder(tmp_path, "first", MIB), "team/model", capture=False)
        large, small = model_folder(tmp_path, "large", 5 * MIB), model_folder(tmp_path, "small", 3000)
        filler = fill(small_disk.folder, leave=MIB)
        for _ in range(2):
            with pytest.raises(DiskFull) as full:
                client.push(large, "team/model", capture=False)
            assert "gc" in full.value.fix
        filler.unlink()
        filler = fill(small_disk.folder, leave=0)
        with pytest.raises(DiskFull):
            client.push(small, "team/model", capture=False)
        answer = ask(server, "POST", "/api/v1/namespaces", {"name": "no-room", "description": "x" * 15_000})
        assert (answer.status, json.loads(answer.data)["code"]) == (503, "disk_full")
        # Reading goes on.
        assert client.resolve("team/model").version == 1
        pulled = client.pull("team/model:1", tmp_path / "pulled")
        assert (pulled / "weights.bin").read_bytes() == (tmp_path / "first" / "weights.bin").read_bytes()
        filler.unlink()
        second = client.push(large, "team/model", capture=False)
        third = client.push(small, "team/model", capture=False)
        assert [first.version, second.version, third.version] == [1, 2, 3]
        assert [version.version for version in client.versions.list("team/model")] == [3, 2, 1]
        *_, last = client.admin.scrub()
        assert (last.finished, last.damage, last.checked) == (True, [], 3)
        server.restart()
        assert client.resolve("team/model").version == 3


# --- clients that stall, and a server that stops ---------------------------------------------------------


@pytest.fixture(scope="module")
def faulty() -> Iterator[RunningServer]:
    with running_server() as server:
        yield server


def upload_head(server: RunningServer, data: bytes) -> bytes:
    digest = hashlib.sha256(data).hexdigest()
    return (
        f"PUT /api/v1/blobs/sha256:{digest} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
        f"Authorization: Bearer {server.token}\r\nContent-Length: {len(data)}\r\n\r\n"
    ).encode()


def connected(server: RunningServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), 60)


def status_of(connection: socket.socket) -> int:
    """Of the answer that comes next; 0 when the server closed without one."""
    first = connection.makefile("rb").readline()
    return int(first.split()[1]) if first else 0


def test_clients_that_stall_hold_up_nobody(faulty: RunningServer) -> None:
    """More than there are threads to move bytes: half a head, half a body, half a connection."""
    data = os.urandom(1000)
    stalled = []
    for n in range(60):
        connection = connected(faulty)
        head = upload_head(faulty, data + bytes([n]))
        connection.sendall(head[:50] if n % 3 == 0 else head + data[:10])
        if n % 3 == 2:
            connection.shutdown(socket.SHUT_WR)
        stalled.append(connection)
    with faulty.client() as client:
        assert client.admin.health().status == "ok"
        assert client.whoami().is_admin
    for connection in stalled:
        connection.close()


def test_receivers_that_stall_hold_up_nobody(faulty: RunningServer, tmp_path: Path) -> None:
    """More than there are threads to move bytes; the person who goes on reading gets every byte, in order."""
    folder = model_folder(tmp_path, "large", 24 * MIB)
    wanted = hashlib.sha256((folder / "weights.bin").read_bytes()).hexdigest()
    with faulty.client() as client:
        client.push(folder, "team/large", capture=False)
    head = (
        f"GET /api/v1/models/team/large/versions/1/files/weights.bin HTTP/1.1\r\n"
        f"Host: 127.0.0.1:{faulty.port}\r\nAuthorization: Bearer {faulty.token}\r\n\r\n"
    ).encode()
    stalled = []
    for _ in range(60):
        connection = connected(faulty)
        connection.sendall(head)
        stalled.append(connection)
    received = [connection.makefile("rb") for connection in stalled]
    assert {int(file.readline().split()[1]) for file in received} == {200}
    answer = ask(faulty, "GET", "/api/v1/models/team/large/versions/1/files/weights.bin")
    assert hashlib.sha256(answer.data).hexdigest() == wanted
    for connection, file in list(zip(stalled, received, strict=True))[2:]:
        file.close()
        connection.close()
    # One goes on, and its connection is good for another request.
    for connection, file in list(zip(stalled, received, strict=True))[:2]:
        while file.readline().strip():
            pass
        assert hashlib.sha256(file.read(24 * MIB)).hexdigest() == wanted
        connection.sendall(head.replace(b"\r\n\r\n", b"\r\nRange: bytes=5-9\r\n\r\n"))
        assert b"206" in file.readline()
        while file.readline().strip():
            pass
        assert file.read(5) == (folder / "weights.bin").read_bytes()[5:10]
        connection.close()


def test_a_body_that_ends_early_leaves_nothing(faulty: RunningServer) -> None:
    data = os.urandom(100_000)
    with connected(faulty) as connection:
        connection.sendall(upload_head(faulty, data) + data[:50_000])
    entry = {"digest": f"sha256:{hashlib.sha256(data).hexdigest()}", "size_bytes": len(data)}
    answer = ask(faulty, "POST", "/api/v1/blobs/missing", {"blobs": [entry]})
    assert json.loads(answer.data)["missing"] == [entry["digest"]]


def test_an_upgrade_to_a_websocket_is_not_taken_up(faulty: RunningServer) -> None:
    with connected(faulty) as connection:
        connection.sendall(
            f"GET /api/v1/models HTTP/1.1\r\nHost: 127.0.0.1:{faulty.port}\r\nConnection: Upgrade\r\n"
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
        )
        assert status_of(connection) == 200


def test_an_endless_head_is_cut_off(faulty: RunningServer) -> None:
    with connected(faulty) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\n")
        try:
            for n in range(5000):
                connection.sendall(f"X-{n}: {'y' * 100}\r\n".encode())
            answered = status_of(connection)
        except OSError:
            answered = 431
    assert answered in (400, 431)
    with faulty.client() as client:
        assert client.admin.health().status == "ok"


def test_a_server_told_to_stop_finishes_what_it_receives(tmp_path: Path) -> None:
    data = os.urandom(200_000)
    with running_server() as server:
        connection = connected(server)
        connection.sendall(upload_head(server, data) + data[:1000])
        until(server, "/health", 200)
        os.kill(server.pid, signal.SIGTERM)
        # It takes no new clients, but this one is let finish.
        while True:
            try:
                connected(server).close()
            except OSError:
                break
            time.sleep(0.02)
        connection.sendall(data[1000:])
        assert status_of(connection) == 201
        connection.close()
        server.restart()
        entry = {"digest": f"sha256:{hashlib.sha256(data).hexdigest()}", "size_bytes": len(data)}
        answer = ask(server, "POST", "/api/v1/blobs/missing", {"blobs": [entry]})
        assert json.loads(answer.data)["missing"] == []


# --- servers that must not start -------------------------------------------------------------------------


def serve(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MODELYARD_")}
    environment["MODELYARD_HOME"] = str(home)
    return run_command(["serve", "--port", "0", *arguments], environment, cwd=home)


def test_one_data_folder_has_one_server(faulty: RunningServer, tmp_path: Path) -> None:
    done = serve("--data", str(faulty.data), home=tmp_path)
    assert done.returncode == 1
    assert f"another process serves {faulty.data}" in done.stderr
    assert "Traceback" not in done.stderr
    with Client(faulty.url, faulty.token) as client:
        assert client.whoami().is_admin


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--host", "0.0.0.0"], "without TLS"),
        (["--host", "192.0.2.1"], "without TLS"),
        (["--workers", "2"], "cannot share SQLite"),
        (["--port", "none"], "none"),
        (["--database-url", "mysql://x/y"], "mysql"),
        (["--database-url", "a:b:c"], "is not valid"),
        (["--log-level", "loud"], "loud"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_settings_that_cannot_be(tmp_path: Path, arguments: list[str], reason: str) -> None:
    done = serve("--data", str(tmp_path / "data"), *arguments, home=tmp_path)
    assert done.returncode in (1, 2)
    assert reason in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("size", [1, 70_000, 3_000_000])
def test_changed_bytes_never_end_as_a_whole_answer(server: RunningServer, tmp_path: Path, size: int) -> None:
    """The answer ends before its end, the damage is noted and shown, and another push heals it."""
    client, space = server.client(), unique("space")
    data = os.urandom(size)
    (tmp_path / "weights.bin").write_bytes(data)
    version = client.push(tmp_path / "weights.bin", f"{space}/scorer")
    digest = next(file.digest for file in client.versions.files(version.reference))
    address = f"{server.url}/api/v1/models/{space}/scorer/versions/1/files/weights.bin"
    request = urllib.request.Request(address, headers={"Authorization": f"Bearer {server.token}"})

    def fetch() -> bytes:
        with urllib.request.urlopen(request) as answer:
            whole: bytes = answer.read()
            return whole

    assert fetch() == fetch() == data
    stored = next(path for path in server.data.rglob(digest.removeprefix("sha256:")) if path.is_file())
    os.chmod(stored, 0o600)
    changed = bytearray(data)
    changed[size // 2] ^= 1
    for damage in (bytes(changed), data[: size // 2]):
        stored.write_bytes(damage)
        with pytest.raises((http.client.IncompleteRead, ConnectionError, urllib.error.URLError)):
            fetch()
    shown = server.run("doctor", "--data", str(server.data))
    assert shown.returncode == 1
    assert digest in shown.stdout
    assert "push the same files again" in shown.stdout
    client.push(tmp_path / "weights.bin", f"{space}/scorer", force_new=True)
    assert fetch() == data
    assert digest not in server.run("doctor", "--data", str(server.data)).stdout

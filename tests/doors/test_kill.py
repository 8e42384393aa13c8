"""SIGKILL in the middle of pushes: what was acknowledged is there and whole, and nothing else is."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from modelyard.domain.errors import ModelyardError
from modelyard.sdk.client import Client
from modelyard.sdk.views import Version
from tests.support.postgres import PostgresServer
from tests.support.s3 import S3Server
from tests.support.server import RunningServer, running_server

CHUNK = 32 * 1024
SHARED = os.urandom(3 * CHUNK)


def make_model(folder: Path, n: int) -> Path:
    """A small file and one that goes in pieces, of this push alone; and one that all pushes share."""
    made = folder / str(n)
    made.mkdir()
    own = random.Random(n)
    (made / "small.bin").write_bytes(own.randbytes(500))
    (made / "large.bin").write_bytes(own.randbytes(2 * CHUNK + 77))
    (made / "shared.bin").write_bytes(SHARED)
    return made


def push_all(
    clients: list[Client], folder: Path, model: str, numbers: range, acknowledged: dict[int, Version]
) -> None:
    """Push one after another; the next client is asked when one gives up."""
    for n in numbers:
        made = make_model(folder, n)
        for attempt in range(100):
            client = clients[(n + attempt) % len(clients)]
            try:
                acknowledged[n] = client.push(made, model, params={"n": n}, capture=False)
                break
            except ModelyardError as error:
                if error.kind != "unavailable" or attempt == 99:
                    raise


def check(client: Client, folder: Path, model: str, acknowledged: dict[int, Version], count: int) -> None:
    """All pushes are there, once each, whole, and numbered without gaps."""
    assert sorted(acknowledged) == list(range(count))
    found = {version.version: version for version in client.versions.list(model)}
    assert sorted(found) == list(range(1, count + 1))
    assert {version.params["n"]: number for number, version in found.items()} == {
        n: version.version for n, version in acknowledged.items()
    }
    for n, version in acknowledged.items():
        assert found[version.version].digest == version.digest
        assert client.versions.verify(f"{model}:{version.version}").damaged == []
        if n % 20 == 0:
            pulled = client.pull(f"{model}:{version.version}", folder / f"pulled-{n}")
            for file in (folder / str(n)).iterdir():
                assert (pulled / file.name).read_bytes() == file.read_bytes()
    *_, last = client.admin.scrub()
    assert (last.finished, last.damage) == (True, [])


@contextmanager
def killing(
    seed: int, kills: int, acknowledged: dict[int, Version], count: int, kill: Callable[[], None]
) -> Iterator[None]:
    """Kills at so many seeded points meanwhile, each a little after some push was acknowledged."""
    pick = random.Random(seed)
    points = sorted(pick.sample(range(2, count - 5), kills))
    over = threading.Event()
    done: list[int] = []

    def run() -> None:
        for point in points:
            while len(acknowledged) < point:
                if over.wait(0.001):
                    return
            time.sleep(pick.uniform(0, 0.03))
            kill()
            done.append(point)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    assert done == points


def test_kills_during_200_pushes(tmp_path: Path) -> None:
    with running_server(upload_chunk_bytes=CHUNK) as server:
        acknowledged: dict[int, Version] = {}

        def kill() -> None:
            server.kill()
            server.start()

        with server.client(patience_seconds=60) as client:
            with killing(20260303, 6, acknowledged, 200, kill):
                push_all([client], tmp_path, "kill/model", range(200), acknowledged)
            server.restart()
            check(client, tmp_path, "kill/model", acknowledged, 200)
            # The collector takes what killed pushes left, and nothing that a version needs.
            client.admin.collect_garbage(dry_run=False, grace_hours=0)
            for version in list(acknowledged.values())[::10]:
                assert client.versions.verify(f"kill/model:{version.version}").damaged == []


@pytest.fixture
def stores(postgres_server: PostgresServer, s3_server: S3Server) -> tuple[str, str, dict[str, str]]:
    return (
        postgres_server.create_database(),
        s3_server.url(s3_server.make_bucket()),
        s3_server.environment,
    )


def test_one_of_two_servers_is_killed(stores: tuple[str, str, dict[str, str]], tmp_path: Path) -> None:
    """Two servers on one PostgreSQL and one bucket; clients of both go on with the one that is left."""
    database, blobs, environment = stores
    options = {"environment": environment, "upload_chunk_bytes": CHUNK}
    with running_server(database, blobs, **options) as one, running_server(database, blobs, **options) as two:
        acknowledged: dict[int, Version] = {}
        token = one.token
        clients = [
            Client(server.url, token, cache=one.client().cache, patience_seconds=0.5) for server in (one, two)
        ]
        with killing(7, 1, acknowledged, 24, two.kill), ThreadPoolExecutor(2) as pool:
            halves = [
                pool.submit(push_all, clients, tmp_path, "two/model", numbers, acknowledged)
                for numbers in (range(12), range(12, 24))
            ]
            for half in halves:
                half.result()
        check(clients[0], tmp_path, "two/model", acknowledged, 24)


def children_of(server: RunningServer) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()]


def test_a_worker_process_is_killed(stores: tuple[str, str, dict[str, str]], tmp_path: Path) -> None:
    """`--workers 2`: the other one answers, and the killed one is started again."""
    database, blobs, environment = stores
    with running_server(
        database, blobs, environment=environment, upload_chunk_bytes=CHUNK, workers=2
    ) as server:
        acknowledged: dict[int, Version] = {}
        before = children_of(server)
        assert len(before) == 2

        def kill() -> None:
            os.kill(children_of(server)[0], signal.SIGKILL)

        with server.client(patience_seconds=60) as client:
            with killing(11, 1, acknowledged, 12, kill):
                push_all([client], tmp_path, "workers/model", range(12), acknowledged)
            check(client, tmp_path, "workers/model", acknowledged, 12)
            while len(after := children_of(server)) < 2:
                time.sleep(0.05)
        assert len(set(after) & set(before)) == 1

"""Many clients at once: numbers without gaps, aliases that move in one order, repeats that make no doubles."""

from __future__ import annotations

import hashlib
import http.client
import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.support.server import RunningServer

CLIENTS, VERSIONS = 32, 1000
DATA = b"the same weights for all"
ENTRY = {"path": "w.bin", "digest": f"sha256:{hashlib.sha256(DATA).hexdigest()}", "size_bytes": len(DATA)}


class Plain:
    """One connection of a client without any cleverness."""

    def __init__(self, server: RunningServer) -> None:
        self._server = server
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)

    def close(self) -> None:
        self._connection.close()

    def send(self, method: str, path: str, body: Any, headers: dict[str, str] | None = None) -> None:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"authorization": f"Bearer {self._server.token}", "content-type": "application/json"}
        self._connection.request(method, f"/api/v1/{path}", raw, {**sent, **(headers or {})})

    def ask(self, method: str, path: str, body: Any = b"", headers: dict[str, str] | None = None) -> Any:
        """(status, JSON)."""
        self.send(method, path, body, headers)
        answer = self._connection.getresponse()
        data = answer.read()
        return answer.status, json.loads(data) if data else None


@contextmanager
def plain(server: RunningServer) -> Iterator[Plain]:
    client = Plain(server)
    try:
        yield client
    finally:
        client.close()


def at_once(count: int, work: Callable[[int], Any]) -> list[Any]:
    """The results of `work(0)` … in threads that begin together."""
    barrier = threading.Barrier(count)

    def run(n: int) -> Any:
        barrier.wait()
        return work(n)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def begin(server: RunningServer, model: str, versions: int) -> None:
    """Upload the bytes, and register so many versions."""
    with plain(server) as client:
        assert client.ask("PUT", f"blobs/{ENTRY['digest']}", DATA)[0] == 201
        for n in range(versions):
            body = {"files": [ENTRY], "facts": {"params": {"first": n}}}
            assert client.ask("POST", f"models/{model}/versions", body)[0] == 201


def all_versions(server: RunningServer, model: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = ""
    with plain(server) as client:
        while True:
            status, page = client.ask("GET", f"models/{model}/versions?limit=1000{cursor}")
            assert status == 200
            found += page["items"]
            if page["next_cursor"] is None:
                return found
            cursor = f"&cursor={page['next_cursor']}"


def test_32_clients_register_1000_versions(each_server: RunningServer) -> None:
    begin(each_server, "storm/numbers", 0)

    def register(worker: int) -> dict[int, int]:
        made = {}
        with plain(each_server) as client:
            for n in range(worker, VERSIONS, CLIENTS):
                body = {"files": [ENTRY], "facts": {"params": {"n": n}}}
                status, version = client.ask("POST", "models/storm/numbers/versions", body)
                assert status == 201, version
                made[n] = version["version"]
        return made

    acknowledged: dict[int, int] = {}
    for made in at_once(CLIENTS, register):
        acknowledged |= made
    assert sorted(acknowledged.values()) == list(range(1, VERSIONS + 1))
    stored = {row["params"]["n"]: row["version"] for row in all_versions(each_server, "storm/numbers")}
    assert stored == acknowledged
    with each_server.client() as client:
        assert client.models.get("storm/numbers").version_count == VERSIONS


@dataclass(frozen=True)
class Seen:
    """One finished request: when it began and ended, and the revision and version it saw or made."""

    began: float
    ended: float
    revision: int
    version: int
    is_move: bool


def test_alias_moves_are_linearizable(each_server: RunningServer) -> None:
    """Movers compare and set, readers look on; one order must explain all that anybody saw."""
    model, path = "storm/pointer", "models/storm/pointer/aliases/champion"
    begin(each_server, model, 4)
    with plain(each_server) as client:
        assert client.ask("PUT", path, {"version": 1}, {"if-none-match": "*"})[0] == 200
    refused: list[int] = []

    def look(client: Plain) -> Seen:
        began = time.monotonic()
        status, found = client.ask("GET", f"resolve?ref={model}@champion")
        assert status == 200
        return Seen(began, time.monotonic(), found["alias_revision"], found["version"], False)

    def work(worker: int) -> list[Seen]:
        pick = random.Random(worker)
        seen = []
        with plain(each_server) as client:
            for _ in range(25):
                now = look(client)
                seen.append(now)
                if worker % 2:
                    continue
                target = pick.choice([n for n in range(1, 5) if n != now.version])
                began = time.monotonic()
                status, alias = client.ask("PUT", path, {"version": target}, {"if-match": f'"{now.revision}"'})
                assert status in (200, 412), alias
                if status == 412:
                    refused.append(worker)
                    continue
                # The person who compares and sets successfully makes exactly the next revision.
                assert alias["revision"] == now.revision + 1
                seen.append(Seen(began, time.monotonic(), alias["revision"], target, True))
        return seen

    seen = [one for each in at_once(16, work) for one in each]
    moves = sorted((one for one in seen if one.is_move), key=lambda one: one.revision)
    assert [move.revision for move in moves] == list(range(2, len(moves) + 2))
    assert refused, "no one ever lost a race, so nothing was tried"
    target_of = {1: 1, **{move.revision: move.version for move in moves}}
    for one in seen:
        assert one.version == target_of[one.revision]
    # Real time: what began after another had ended never sees an older state.
    by_end = sorted(seen, key=lambda one: one.ended)
    newest, done = 1, 0
    for one in sorted(seen, key=lambda one: one.began):
        while done < len(by_end) and by_end[done].ended < one.began:
            newest = max(newest, by_end[done].revision)
            done += 1
        assert one.revision >= newest + (1 if one.is_move else 0)
    with each_server.client() as client:
        history = list(client.aliases.history(model, "champion"))
    targets = [target_of[revision] for revision in sorted(target_of)]
    moved = [(move.from_version, move.to_version) for move in reversed(history)]
    assert moved == list(zip([None, *targets], targets, strict=False))


def test_repeats_make_no_doubles(each_server: RunningServer) -> None:
    """Every registration is sent three times, the first without waiting for its answer."""
    begin(each_server, "storm/repeats", 0)

    def push(worker: int) -> list[int]:
        numbers = []
        for n in range(5):
            key = {"idempotency-key": f"{worker}-{n}"}
            body = {"files": [ENTRY], "facts": {"params": {"n": f"{worker}-{n}"}}, "force_new": True}
            lost = Plain(each_server)
            lost.send("POST", "models/storm/repeats/versions", body, key)
            lost.close()
            with plain(each_server) as client:
                answers = [client.ask("POST", "models/storm/repeats/versions", body, key) for _ in range(2)]
            assert [status for status, _ in answers] == [201, 201]
            assert answers[0] == answers[1]
            numbers.append(answers[0][1]["version"])
        return numbers

    numbers = [number for each in at_once(8, push) for number in each]
    assert sorted(numbers) == list(range(1, 41))
    stored = [row["params"]["n"] for row in all_versions(each_server, "storm/repeats")]
    assert len(stored) == len(set(stored)) == 40

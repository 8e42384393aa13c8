"""Aliases and stages over two processes on one PostgreSQL, of which one is killed: every read is true.

Two servers are asked by many clients at once. What they answered, and when, must be explicable by one order of all
operations, in which each lies between its question and its answer.
"""

from __future__ import annotations

import http.client
import itertools
import json
import math
import os
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from modelyard.sdk.client import Client
from tests.support.linearizable import Operation, contradiction, initially
from tests.support.postgres import PostgresServer
from tests.support.s3 import S3Server
from tests.support.server import RunningServer, running_server

ROUNDS = int(os.environ.get("MODELYARD_LINEARIZABLE", "1"))
"""Each with one kill."""
SEED = int(os.environ.get("MODELYARD_LINEARIZABLE_SEED", "20260815"))
VERSIONS = 60
STAGES = ("development", "staging", "production")
READERS, WRITERS = 3, 2
POLICY = "version: 1\npromote: [" + ", ".join(f"{{to: {stage}, rules: []}}" for stage in STAGES) + "]\n"
_NO_ANSWER = (OSError, http.client.HTTPException)


# --- the checker itself --------------------------------------------------------------------------------


def write(value: int, began: float, ended: float = math.inf) -> Operation:
    return Operation(True, value, began, ended)


def read(value: int, began: float, ended: float) -> Operation:
    return Operation(False, value, began, ended)


@pytest.mark.parametrize(
    ("history", "holds"),
    [
        ([write(1, 1, 2), read(1, 3, 4)], True),
        # Before the write ends either value may be read.
        ([write(1, 1, 9), read(0, 2, 3), read(1, 4, 5)], True),
        # The old value comes back.
        ([write(1, 1, 9), read(1, 2, 3), read(0, 4, 5)], False),
        # A read after an acknowledged write.
        ([write(1, 1, 2), read(0, 3, 4)], False),
        ([read(1, 1, 2), write(1, 3, 4)], False),
        # No answer came: it may have happened, but only once.
        ([write(1, 1), read(0, 2, 3), read(1, 4, 5)], True),
        ([write(1, 1), read(1, 2, 3), read(0, 4, 5)], False),
        ([write(1, 1), write(2, 2, 3), read(2, 4, 5), read(1, 6, 7), read(2, 8, 9)], False),
        # A whole write in between.
        ([write(1, 1, 2), write(2, 3, 4), read(1, 5, 6)], False),
    ],
)
def test_the_checker(history: list[Operation], holds: bool) -> None:
    assert (contradiction([initially(0), *history]) is None) == holds


def explicable(history: list[Operation]) -> bool:
    """The same by trying every order."""
    unsure = [each for each in history if each.ended == math.inf]
    for dropped in itertools.chain.from_iterable(
        itertools.combinations(unsure, count) for count in range(len(unsure) + 1)
    ):
        for order in itertools.permutations([each for each in history if each not in dropped]):
            if any(b.ended < a.began for a, b in itertools.combinations(order, 2)):
                continue
            value = 0
            for each in order:
                if each.is_write:
                    value = each.value
                elif each.value != value:
                    break
            else:
                return True
    return False


def test_the_checker_agrees_with_trying_every_order() -> None:
    chance = random.Random(5)
    outcomes = []
    for _ in range(400):
        drawn = chance.sample(range(1000), 12)
        pairs = [sorted(drawn[at : at + 2]) for at in range(0, 12, 2)]
        history = []
        for number, (began, ended) in enumerate(pairs):
            if number < 3:
                history.append(write(number + 1, began, ended if chance.random() < 0.8 else math.inf))
            else:
                history.append(read(chance.randint(0, 3), began, ended))
        outcomes.append(explicable(history))
        assert (contradiction([initially(0), *history]) is None) == outcomes[-1], history
    assert 50 < sum(outcomes) < 350


# --- two servers ---------------------------------------------------------------------------------------


class Asker:
    """One client's connections to both servers, without any repeating."""

    def __init__(self, servers: list[RunningServer], token: str) -> None:
        self._servers = servers
        self._headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        self._open: dict[int, http.client.HTTPConnection] = {}

    def ask(self, which: int, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """(status, JSON). Raises what _NO_ANSWER names."""
        connection = self._open.get(which)
        if connection is None:
            connection = http.client.HTTPConnection("127.0.0.1", self._servers[which].port, timeout=60)
            self._open[which] = connection
        sent = None if body is None else json.dumps(body)
        try:
            connection.request(method, f"/api/v1/{path}", sent, self._headers)
            answer = connection.getresponse()
            data = answer.read()
        except _NO_ANSWER:
            self._open.pop(which).close()
            raise
        return answer.status, json.loads(data) if data else None

    def close(self) -> None:
        for connection in self._open.values():
            connection.close()


class Round:
    """A model of its own whose aliases and stage move while one of two servers is killed and started again."""

    def __init__(self, servers: list[RunningServer], token: str, model: str, chance: random.Random) -> None:
        self._servers = servers
        self._token = token
        self._model = model
        self._seed = chance.random()
        self._victim = chance.randrange(2)
        self._is_up_again = threading.Event()
        self._written = 0
        self.histories: dict[str, list[Operation]] = {}
        for name in ("champion", "challenger", "production"):
            self.histories[name] = [initially(1)]

    def write(self, asker: Asker, which: int, name: str, version: int) -> int:
        if name in STAGES:
            body = {"version": version, "stage": name}
            return asker.ask(which, "POST", f"models/{self._model}/promotions", body)[0]
        return asker.ask(which, "PUT", f"models/{self._model}/aliases/{name}", {"version": version})[0]

    def _write_all(self, name: str, versions: list[int]) -> None:
        chance, asker = random.Random(f"{self._seed} {name} {versions[0]}"), Asker(self._servers, self._token)
        for count, version in enumerate(versions):
            if count == len(versions) // 2:
                # The other half when both serve again.
                assert self._is_up_again.wait(60)
            began = time.perf_counter()
            try:
                status = self.write(asker, chance.randrange(2), name, version)
            except _NO_ANSWER:
                status = 0
            ended = time.perf_counter()
            if status < 300 or status >= 500:
                is_certain = 200 <= status < 300
                self.histories[name].append(Operation(True, version, began, ended if is_certain else math.inf))
            self._written += 1
            time.sleep(chance.random() / 100)
        asker.close()

    def _read_on(self, number: int, over: threading.Event) -> int:
        """The number of reads."""
        chance, asker = random.Random(f"{self._seed} {number}"), Asker(self._servers, self._token)
        count = 0
        while not over.is_set():
            name, which = chance.choice(list(self.histories)), chance.randrange(2)
            time.sleep(chance.random() / 200)
            began = time.perf_counter()
            try:
                status, answer = asker.ask(which, "GET", f"resolve?ref={self._model}@{name}")
            except _NO_ANSWER:
                continue
            ended = time.perf_counter()
            if status < 500:
                assert status == 200, answer
                self.histories[name].append(Operation(False, answer["version"], began, ended))
                count += 1
        asker.close()
        return count

    def _kill(self) -> None:
        while self._written < VERSIONS // 8:
            time.sleep(0.001)
        self._servers[self._victim].kill()
        self._servers[self._victim].start()
        self._is_up_again.set()

    def run(self) -> int:
        """The number of reads."""
        over = threading.Event()
        with ThreadPoolExecutor() as pool:
            reading = [pool.submit(self._read_on, number, over) for number in range(READERS)]
            writing = [pool.submit(self._kill)]
            for name in self.histories:
                values = random.Random(f"{self._seed} {name}").sample(range(2, VERSIONS + 1), VERSIONS - 1)
                writing += [pool.submit(self._write_all, name, values[n::WRITERS]) for n in range(WRITERS)]
            try:
                for each in writing:
                    each.result()
            finally:
                over.set()
            return sum(each.result() for each in reading)


def register(asker: Asker, client: Client, folder: Path, model: str) -> None:
    """Versions 1 … of one file, with every name at the first one."""
    made = folder / "model"
    made.mkdir(exist_ok=True)
    (made / "weights.bin").write_bytes(b"weights")
    first = client.push(made, model, capture=False)
    file = client.versions.files(first.reference)[0]
    body = {"files": [{"path": file.path, "digest": file.digest, "size_bytes": file.size_bytes}]}
    for n in range(2, VERSIONS + 1):
        assert (
            asker.ask(0, "POST", f"models/{model}/versions", {**body, "facts": {"params": {"n": n}}})[0] == 201
        )


def test_every_read_is_true_while_processes_are_killed(
    postgres_server: PostgresServer, s3_server: S3Server, tmp_path: Path
) -> None:
    url, bucket = postgres_server.create_database(), s3_server.url(s3_server.make_bucket())
    chance = random.Random(SEED)
    with (
        running_server(url, bucket, folder=tmp_path / "one", environment=s3_server.environment) as one,
        running_server(url, bucket, folder=tmp_path / "two", environment=s3_server.environment) as two,
    ):
        servers, token = [one, two], one.token
        asker, client = Asker(servers, token), one.client()
        assert asker.ask(0, "POST", "namespaces", {"name": "linear"})[0] == 201
        assert asker.ask(0, "PUT", "namespaces/linear/policy", {"text": POLICY, "reason": "start"})[0] == 200
        for number in range(ROUNDS):
            model = f"linear/m{number}"
            # A new one: the server that the round before killed has closed the connections.
            asker = Asker(servers, token)
            register(asker, client, tmp_path, model)
            tried = Round(servers, token, model, chance)
            for name in tried.histories:
                assert tried.write(asker, 0, name, 1) < 300
            asker.close()
            assert tried.run() > 100
            for name, history in tried.histories.items():
                assert contradiction(history) is None, f"{model}@{name}: {contradiction(history)}; seed {SEED}"
                # Most writes were acknowledged, and reads saw many of them.
                acknowledged = {each.value for each in history if each.is_write and each.ended < math.inf}
                seen = {each.value for each in history if not each.is_write}
                assert len(acknowledged) > VERSIONS // 2
                assert len(acknowledged & seen) > VERSIONS // 8
    postgres_server.drop_database(url)

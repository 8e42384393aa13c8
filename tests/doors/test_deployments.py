"""Deployments of a running server from the command line, with a front that serves nothing; and the server killed in between."""

from __future__ import annotations

import os
import random
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modelyard.domain.errors import ModelyardError
from modelyard.sdk.client import Client
from tests.support.server import RunningServer, running_server

FRONT = Path(__file__).parents[1] / "support" / "fake_front.py"
COMMAND = f"{sys.executable} {FRONT}"
MODEL = "fraud/scorer"
SEED, KILLS = 14, 3


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server(scorer_command=COMMAND) as running:
        yield running
        with running.client() as client:
            end_all(client)


def end_all(client: Client) -> None:
    """So that no front outlives the tests."""
    for each in client.deployments.list():
        client.deployments.remove(each.name)
    ends = time.monotonic() + 30
    while [*client.jobs.list(kind="deploy", state="waiting")] or [
        *client.jobs.list(kind="deploy", state="running")
    ]:
        assert time.monotonic() < ends, "a front did not end"
        time.sleep(0.1)


def push(client: Client, folder: Path, count: int = 1, model: str = MODEL) -> int:
    number = 0
    for _ in range(count):
        (folder / "weights.txt").write_text(f"{random.random()}")
        number = client.push(folder, model).version
        client.promotions.promote(f"{model}:{number}", "production")
    return number


def test_the_story_from_the_command_line(server: RunningServer, tmp_path: Path) -> None:
    def run(*arguments: str, code: int = 0) -> str:
        done = server.run(*arguments)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    with server.client() as client:
        push(client, tmp_path)
        said = run("deploy", f"{MODEL}@production", "--wait", "--reason", "first")
        assert f"{MODEL}\t{MODEL}:1\trevision 1\tserving" in said
        assert "It answers at http://127.0.0.1:" in said
        push(client, tmp_path)
        assert client.deployments.wait(MODEL, 30).revision.number == 2
        assert "revision 2 (v2) → revision 1 (v1)" in run("rollback", "fraud", "--dry-run")
        assert "revision 2 → 1" in run("rollback", "fraud", "--reason", "errors doubled", "--from", "2")
        assert "has moved" in run("rollback", "fraud", "--from", "2", code=1)
        shown = run("deployment", "show", MODEL)
        assert "held by root" in shown.replace("\t", " ") or "by root: errors doubled" in shown
        assert "0 dropped" in run("deployment", "history", MODEL)
        assert "by root: errors doubled" in run("deployment", "ls")
        run("deployment", "release", MODEL, "--reason", "fixed")
        assert client.deployments.wait(MODEL, 30).version == f"{MODEL}:2"
        run("deployment", "scale", MODEL, "2")
        assert "the front serves" in run("deployment", "log", MODEL)
        (tmp_path / "weights.txt").write_text("not promoted")
        client.push(tmp_path, MODEL)
        refused = run("deploy", f"{MODEL}:3", code=1)
        assert f"{MODEL}:3 is not admitted to production" in refused
        assert f"modelyard promote {MODEL}:3 production" in refused
        assert "modelyard rollback nothing STAGE" in run("rollback", "nothing", code=4)
        assert "--stage is for a deployment" in run("rollback", MODEL, "production", "--stage", code=2)
        run("deployment", "stop", MODEL)
        assert client.deployments.wait(MODEL, 30).state == "stopped"


def test_the_way_back_works_without_the_registry_which_records_it_later(tmp_path: Path) -> None:
    with running_server(scorer_command=COMMAND) as running:
        with running.client() as client:
            push(client, tmp_path)
            client.deploy(f"{MODEL}@production", wait_seconds=30)
            push(client, tmp_path)
            assert client.deployments.wait(MODEL, 30).revision.number == 2
        running.kill()
        back = running.run("rollback", "fraud", "--data", str(running.data), "--reason", "errors doubled")
        assert back.returncode == 0, back.stderr
        assert "revision 2 → 1" in back.stdout
        assert "records this when it is back" in back.stderr
        again = running.run("rollback", "fraud", "--data", str(running.data), "--to", "9")
        assert (again.returncode, "only revision 2 is warm" in again.stderr) == (1, True), again.stderr
        running.start()
        with running.client() as client:
            ends = time.monotonic() + 30
            while not client.deployments.get(MODEL).held:
                assert time.monotonic() < ends, "it is not recorded"
                time.sleep(0.1)
            found = client.deployments.wait(MODEL, 30)
            assert (found.revision.number, found.held_by, found.settled) == (1, None, True)
            assert "while the registry was away: errors doubled" in found.held_reason
            (move, *_) = client.deployments.moves(MODEL)
            assert (move.kind, move.before, move.after, move.dropped) == ("rollback", 2, 1, 0)
            end_all(client)


def test_the_server_is_killed_and_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    """Kills at seeded moments while somebody deploys, promotes and rolls back; the front goes on, and the next server finishes."""
    moments = random.Random(SEED)
    kills = int(os.environ.get("MODELYARD_KILLS", KILLS))
    acknowledged: list[int] = []
    ended = threading.Event()

    def act(running: RunningServer) -> None:
        turn = 0
        while not ended.is_set():
            turn += 1
            try:
                with running.client(patience_seconds=0) as client:
                    if turn % 2:
                        found = client.deploy(f"{MODEL}:{1 + turn % 3}", reason=f"turn {turn}")
                    else:
                        found = client.deployments.rollback(MODEL, reason=f"turn {turn}")
                    acknowledged.append(found.generation)
            except (ModelyardError, OSError):
                time.sleep(0.05)

    with running_server(scorer_command=COMMAND) as running:
        with running.client() as client:
            push(client, tmp_path, 3)
            first = client.deploy(f"{MODEL}@production", follow=False, wait_seconds=30)
            front = _front(running)
        thread = threading.Thread(target=act, args=(running,))
        thread.start()
        try:
            for _ in range(kills):
                time.sleep(moments.uniform(0.1, 0.8))
                running.kill()
                assert _lives(front), "what answers goes on without the server"
                running.start()
        finally:
            ended.set()
            thread.join()
        with running.client() as client:
            found = client.deployments.wait(MODEL, 60)
            moves = [*client.deployments.moves(MODEL)]
            revisions = {each.number for each in client.deployments.revisions(MODEL)}
            state: Any = client.transport.call("GET", f"/api/v1/deployments/{MODEL}/state", returns=_state())
            assert found.settled
            assert {*acknowledged} <= {move.generation for move in moves}
            assert {move.after for move in moves} <= revisions
            assert found.revision.number == moves[0].after == state.serving
            assert (state.generation, state.pid) == (found.generation, front)
            assert first.url == found.url
            end_all(client)
            assert not _lives(front)


def _state() -> type[Any]:
    from modelyard.wire.scorer import ScorerState

    return ScorerState


def _front(running: RunningServer) -> int:
    (note,) = (running.data / "deployments").glob("*/process")
    return int(note.read_text().split()[0])


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"

"""The stream of events and webhooks of a running server, also when it is killed."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from standardwebhooks.webhooks import Webhook

from modelyard.domain.errors import Denied, ServerUnreachable, Unauthenticated
from modelyard.sdk.client import Client
from modelyard.sdk.outbox import StreamedEvent
from tests.support.receiver import running_receiver
from tests.support.server import RunningServer, running_server


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    (folder / "weights.bin").write_bytes(b"weights")
    return folder


@pytest.fixture
def server(model_folder: Path) -> Iterator[RunningServer]:
    with running_server(webhook_allowed_hosts="127.0.0.1") as running:
        client = running.client()
        for n in range(2):
            client.push(model_folder, "fraud/scorer", params={"n": n}, capture=False)
        yield running


def flip(server: RunningServer, times: int, start: int = 0) -> None:
    client = server.client(patience_seconds=60)
    for n in range(start, start + times):
        client.aliases.set(f"fraud/scorer:{1 + n % 2}", "champion")


def test_events_stream_across_kills_without_loss_or_repetition(server: RunningServer) -> None:
    seen: list[StreamedEvent] = []

    def listen() -> None:
        for event in server.client(patience_seconds=60).follow("fraud/scorer", kinds=["alias.*"], after=0):
            seen.append(event)
            if len(seen) == 30:
                return

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    for part in range(3):
        flip(server, 10, 10 * part)
        if part < 2:
            server.kill()
            server.start()
    thread.join(30)
    assert len(seen) == 30
    assert [e.seq for e in seen] == sorted({e.seq for e in seen})
    assert [e.version for e in seen] == [1, 2] * 15
    assert seen[0].data["alias"] == "champion"


def test_the_stream_is_for_readers_and_ends_with_the_server(server: RunningServer) -> None:
    with pytest.raises(Unauthenticated):
        next(Client(server.url, "").follow())
    ada = server.client().accounts.create("ada")
    assert ada.name == "ada"
    token = server.client().tokens.create("ada", owner="ada").token
    with pytest.raises(Denied):
        server.client(token).subscriptions.create("webhook", "https://x.test/")
    lines = subprocess.Popen(
        [sys.executable, "-m", "modelyard", "events", "--after", "0", "--limit", "3", "--json"],
        env=server.environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    out, _ = lines.communicate(timeout=30)
    assert [json.loads(line)["seq"] for line in out.splitlines()] == [1, 2, 3]

    def follow() -> None:
        with contextlib.suppress(ServerUnreachable):
            next(server.client(patience_seconds=0).follow(), None)

    follower = threading.Thread(target=follow, daemon=True)
    follower.start()
    time.sleep(1)
    started = time.monotonic()
    server.stop()
    assert time.monotonic() - started < 10


def test_webhooks_survive_kill_minus_nine(server: RunningServer) -> None:
    with running_receiver() as receiver:
        receiver.answer = lambda count, value: 500 if count in (3, 20) else 204
        made = server.client().subscriptions.create(
            "webhook", receiver.url, model="fraud/scorer", event_kinds=["alias.*"]
        )
        for part in range(4):
            flip(server, 10, 10 * part)
            if part < 3:
                server.kill()
                server.start()
        end = time.monotonic() + 150
        wanted = {f"msg_{made.id}_{event.seq}" for event in _moves(server)}
        assert len(wanted) == 40
        while {m.id for m in receiver.accepted} != wanted and time.monotonic() < end:
            time.sleep(0.2)
        assert {m.id for m in receiver.accepted} == wanted
        firsts = list(dict.fromkeys(m.id for m in receiver.accepted))
        assert [int(message.split("_")[2]) for message in firsts] == sorted(
            int(m.split("_")[2]) for m in firsts
        )
        assert made.secret is not None
        for message in receiver.messages:
            Webhook(made.secret).verify(message.body, message.headers)
        log = server.run("subscription", "log", str(made.id), "--json")
        assert {d["state"] for d in json.loads(log.stdout)} <= {"done", "pending"}


def _moves(server: RunningServer) -> list[StreamedEvent]:
    found = []
    for event in server.client().follow("fraud/scorer", kinds=["alias.*"], after=0):
        found.append(event)
        if len(found) == 40:
            break
    return found


def test_subscriptions_by_command(server: RunningServer) -> None:
    done = server.run(
        "subscription", "add", "webhook", "https://hooks.test/x", "--namespace", "fraud", "--json"
    )
    made = json.loads(done.stdout)
    assert made["secret"].startswith("whsec_")
    number = str(made["id"])
    assert (
        json.loads(server.run("subscription", "ls", "--namespace", "fraud", "--json").stdout)[0]["secret"]
        is None
    )
    edited = server.run("subscription", "edit", number, "--kind", "alias.moved", "--disable", "--json")
    assert json.loads(edited.stdout)["state"] == "disabled"
    assert json.loads(server.run("subscription", "rotate", number, "--json").stdout)["secret"] != made["secret"]
    assert server.run("subscription", "replay", number).returncode == 0
    assert server.run("subscription", "remove", number, "--yes").returncode == 0
    assert server.run("subscription", "show", number).returncode == 4


def test_talking_by_command(server: RunningServer) -> None:
    added = json.loads(server.run("comment", "add", "fraud/scorer:1", "Fine?", "--json").stdout)
    assert (added["body"], added["version"]) == ("Fine?", 1)
    edited = server.run("comment", "edit", "fraud/scorer", str(added["id"]), "Fine.", "--json")
    assert json.loads(edited.stdout)["revision"] == 2
    assert [c["body"] for c in json.loads(server.run("comment", "ls", "fraud/scorer", "--json").stdout)] == [
        "Fine."
    ]
    assert json.loads(server.run("watch", "--json").stdout) == ["fraud/scorer"]
    ada = server.client().accounts.create("ada").name
    server.client().namespaces.grant("fraud", ada, "contributor")
    token = server.client().tokens.create("ada", owner=ada).token
    server.client(token).aliases.set("fraud/scorer:1", "beta")
    end = time.monotonic() + 60
    while not (found := json.loads(server.run("notifications", "--json").stdout)) and time.monotonic() < end:
        time.sleep(0.2)
    assert [(n["reason"], n["event"]["kind"], n["event"]["actor"]) for n in found] == [
        ("watch", "alias.moved", ada)
    ]
    assert server.run("notifications", "--mark-read").returncode == 0
    assert json.loads(server.run("notifications", "--json").stdout) == []
    assert server.run("comment", "delete", "fraud/scorer", str(added["id"]), "--yes").returncode == 0
    assert server.run("watch", "fraud/scorer", "--undo").returncode == 0

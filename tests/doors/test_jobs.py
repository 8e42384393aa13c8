"""Background jobs of a running server, by command and over a kill -9."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.receiver import running_receiver
from tests.support.server import RunningServer, running_server


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server(webhook_allowed_hosts="127.0.0.1") as running:
        running.client().namespaces.create("fraud")
        yield running


def jobs(server: RunningServer, *options: str) -> list[dict[str, Any]]:
    done = server.run("jobs", "ls", *options, "--json")
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def wait_for_job(server: RunningServer, *options: str, seconds: float = 60) -> dict[str, Any]:
    end = time.monotonic() + seconds
    while not (found := jobs(server, *options)):
        assert time.monotonic() < end, f"no job with {options}"
        time.sleep(0.2)
    return found[0]


def test_jobs_by_command(server: RunningServer) -> None:
    with running_receiver() as receiver:
        receiver.answer = lambda count, value: (503, {"Retry-After": "3000"}) if count == 0 else 204
        subscription = str(server.client().subscriptions.create("webhook", receiver.url, namespace="fraud").id)
        made = wait_for_job(server, "--kind", "deliver", "--namespace", "fraud", "--state", "waiting")
        number = str(made["id"])
        while not receiver.messages or server.client().jobs.show(made["id"]).state != "waiting":
            time.sleep(0.1)
        assert '{"subscription": ' + subscription in server.run("jobs", "show", number).stdout
        # Tried at once, it finds that its delivery has a pause of its own.
        assert server.run("jobs", "retry", number).returncode == 0
        (delivery,) = json.loads(server.run("subscription", "log", subscription, "--json").stdout)
        assert server.run("jobs", "cancel", number).returncode == 0
        assert jobs(server, "--kind", "deliver", "--state", "cancelled")[0]["id"] == made["id"]
        assert server.run("jobs", "cancel", number).returncode == 1
        # What is asked for after that is another job.
        event = str(delivery["event"])
        assert server.run("subscription", "replay", subscription, "--event", event).returncode == 0
        assert wait_for_job(server, "--kind", "deliver", "--state", "done")["id"] > made["id"]
        assert len(receiver.accepted) == 1
    assert server.run("jobs", "show", "999999").returncode == 4
    ada = server.client().tokens.create("ada", owner=server.client().accounts.create("ada").name).token
    assert server.run("jobs", "ls", env={"MODELYARD_TOKEN": ada}).returncode == 5


def test_a_delivery_that_a_killed_server_held_is_made_by_the_next_one(server: RunningServer) -> None:
    with running_receiver() as receiver:
        answered: list[int] = []
        arrived, killed = threading.Event(), threading.Event()

        def answer(count: int, _: dict[str, Any]) -> int:
            answered.append(count)
            arrived.set()
            if count == 0:
                killed.wait(60)
            return 204

        receiver.answer = answer
        subscription = server.client().subscriptions.create("webhook", receiver.url, namespace="fraud")
        # Asked in this process: a command could take longer than the delivery may.
        end = time.monotonic() + 60
        while not (held := list(server.client().jobs.list(kind="deliver", state="running"))):
            assert time.monotonic() < end, "no delivery runs"
            time.sleep(0.1)
        number = held[0].id
        assert held[0].payload["subscription"] == subscription.id
        # A job runs before its message is sent: killed in between, the server would have sent none.
        assert arrived.wait(60)
        server.kill()
        killed.set()
        server.start()
        found = server.client().jobs.show(number)
        assert (found.state, found.attempt) == ("running", 1)
        end = time.monotonic() + 90
        while (found := server.client().jobs.show(number)).state != "done":
            assert time.monotonic() < end, found
            time.sleep(0.5)
        assert (found.attempt, found.failures) == (2, 0)
        # Sent at least once, with the same id.
        assert len({message.id for message in receiver.messages}) == 1
        assert len(answered) == 2

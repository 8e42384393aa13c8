"""A schedule of a running server that is killed in between: each of its times starts one build."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from modelyard.sdk.client import Client
from tests.support.server import running_server

_PATIENCE_SECONDS = 60.0


def until(done: Callable[[], bool]) -> None:
    end = time.monotonic() + _PATIENCE_SECONDS
    while not done():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.1)


def test_each_time_starts_one_build_though_the_server_is_killed(tmp_path: Path) -> None:
    (tmp_path / "modelyard.yaml").write_text(
        "version: 1\nmodel: team/scorer\ntrain: echo trained > model.onnx\n"
    )
    with running_server() as server:
        added = server.run("schedule", "add", str(tmp_path), "--every", "1s", "--overlap", "queue")
        assert added.returncode == 0, added.stderr
        number = int(added.stdout)
        assert "builds team/scorer every second; next in" in added.stderr

        def started(client: Client) -> list[str | None]:
            return [each.build for each in client.schedules.firings(number) if each.build]

        with server.client() as client:
            until(lambda: len(started(client)) >= 1)
        server.kill()
        server.start()
        with server.client() as client:
            until(lambda: len(started(client)) >= 3)
            assert server.run("schedule", "pause", str(number), "--reason", "enough").returncode == 0
            fired = server.run("schedule", "fire", str(number))
            assert fired.returncode == 0, fired.stderr
            builds = [*client.builds.list(model="team/scorer")]
            assert [build.schedule for build in builds] == [number] * len(builds)
            assert [build.id for build in builds] == started(client)
            assert builds[0].id.startswith(fired.stdout.strip())
            for build in builds:
                until(lambda b=build: client.builds.get(b.id).ended_at is not None)  # type: ignore[misc]
            assert {client.builds.get(build.id).status for build in builds} == {"succeeded"}
            times = [firing.due_at for firing in client.schedules.firings(number)]
            assert len(set(times)) == len(times)
        shown = server.run("schedule", "show", str(number))
        assert "paused by" in shown.stdout, shown.stdout
        assert "started build" in shown.stdout
        listed = server.run("schedule", "ls", "--model", "team/scorer")
        assert "every second" in listed.stdout
        assert (
            server.run("schedule", "edit", str(number), "--cron", "@daily", "--zone", "Asia/Tokyo").returncode
            == 0
        )
        assert server.run("schedule", "resume", str(number)).stdout.endswith("Asia/Tokyo\n")
        assert server.run("schedule", "rm", str(number), "--yes").returncode == 0

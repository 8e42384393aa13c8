"""What a server checks before it says that it runs, and what its first start changes for the user's commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest
import urllib3

from tests.support.server import RunningServer, running_server

ELSEWHERE = "http://127.0.0.1:9"


def stored(home: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((home / "credentials.json").read_text())
    return found


def serve(home: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    """A server that should refuse to start."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("MODELYARD_")}
    return subprocess.run(
        [sys.executable, "-m", "modelyard", "serve", "--port", "0", "--data", str(home / "data"), *flags],
        env={**kept, "MODELYARD_HOME": str(home)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@contextmanager
def started(running: RunningServer, *flags: str) -> Iterator[IO[str]]:
    """A server with its standard output, for addresses that no test could dial."""
    process = subprocess.Popen(
        [sys.executable, "-m", "modelyard", "serve", *flags],
        env=running.environment,
        cwd=running.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process.stdout
    finally:
        process.terminate()
        process.communicate(timeout=30)


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["--tls-cert", "nope.pem", "--tls-key", "nope.pem"], "nope.pem"),
        (["--tls-cert", "nope.pem"], "--tls-key"),
        (["--public-url", "models.example"], "models.example"),
        (["--public-url", "ftp://models.example"], "ftp://models.example"),
        (["--public-url", "https://"], "https://"),
        (["--public-url", "https://models.example:99999"], "99999"),
        (["--public-url", "https://models.example/?a=b"], "?a=b"),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
def test_a_start_that_is_refused_names_the_fault_and_changes_nothing(
    tmp_path: Path, flags: list[str], named: str
) -> None:
    refused = serve(tmp_path, *flags)
    assert refused.returncode == 2, refused.stderr
    assert named in refused.stderr
    assert "runs at" not in refused.stdout
    assert not (tmp_path / "credentials.json").exists()
    assert not (tmp_path / "data").exists()


def test_commands_of_this_machine_use_the_loopback_address(tmp_path: Path) -> None:
    running = RunningServer(tmp_path, {}, {})
    flags = ["--port", "0", "--data", str(running.data), "--json"]
    with started(running, *flags, "--public-url", "https://models.example", "--behind-proxy") as said:
        assert json.loads(said.readline())["url"] == "https://models.example"
        assert str(stored(running.home)["default"]).startswith("http://127.0.0.1:")
        shown = running.run("whoami")
        assert shown.returncode == 0, shown.stderr


def test_the_default_server_moves_at_the_first_start_alone(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "credentials.json").write_text(json.dumps({"version": 1, "default": ELSEWHERE, "servers": {}}))
    with running_server(folder=tmp_path) as running:
        assert stored(home)["default"] == running.url
        assert (
            running.run("login", running.url, "--no-default", input=running.token, stdin=None).returncode == 0
        )
        credentials = stored(home) | {"default": ELSEWHERE}
        (home / "credentials.json").write_text(json.dumps(credentials))
        running.restart()
        assert stored(home)["default"] == ELSEWHERE


def test_what_is_no_terminal_gets_no_sign_in_link(tmp_path: Path) -> None:
    """A journal is often read by many."""
    running = RunningServer(tmp_path, {}, {})
    with started(running, "--port", "0", "--data", str(running.data)) as stream:
        said = stream.readline() + stream.readline()
    assert "runs at" in said
    assert "modelyard user link" in said
    assert "link=" not in said


def test_a_home_that_cannot_be_written_does_not_stop_a_server(tmp_path: Path) -> None:
    running = RunningServer(tmp_path, {}, {})
    running.home.write_text("a file where the folder would be")
    with started(running, "--port", "0", "--data", str(running.data)) as stream:
        assert "runs at" in stream.readline()


@pytest.mark.parametrize("path", ["/health", "/ready"])
def test_probes_name_a_machine_by_its_number(server: RunningServer, path: str) -> None:
    asked = urllib3.request("GET", server.url + path, headers={"host": "10.2.3.4:8470"})
    assert asked.status == 200
    assert urllib3.request("GET", server.url + "/login", headers={"host": "10.2.3.4:8470"}).status == 400


def test_a_push_ends_with_where_it_is_and_what_comes_next(server: RunningServer, tmp_path: Path) -> None:
    (tmp_path / "m.bin").write_bytes(b"pushed")
    told = server.run("push", str(tmp_path / "m.bin"), "first/model")
    assert told.returncode == 0
    assert f"first/model:1 is registered at {server.url}. Next: modelyard show first/model:1" in told.stderr
    quiet = server.run("push", str(tmp_path / "m.bin"), "first/model", "--param", "n=2", "--quiet")
    assert (quiet.stdout, quiet.stderr) == ("first/model:2\n", "")
    version = server.client().versions.get("first/model:1")
    assert str(version) == f"first/model:1 {version.digest}"


def test_sync_goes_to_the_server_that_is_named_now(server: RunningServer) -> None:
    program = ["--experiment", "first/moved", "--", sys.executable, "-c", "pass"]
    assert server.run("run", "--offline", *program, env={"MODELYARD_URL": ELSEWHERE}).returncode == 0
    sent = server.run("sync", env={"MODELYARD_URL": server.url})
    assert sent.returncode == 0, sent.stdout + sent.stderr
    assert [run.experiment for run in server.client().runs.list()] == ["first/moved"]

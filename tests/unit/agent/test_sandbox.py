"""Programs in a sandbox: what they see, what they may change, and that only the registry can be reached from them."""

from __future__ import annotations

import os
import shlex
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from modelyard.agent import processes
from modelyard.agent.descendants import adopt_orphans
from modelyard.agent.processes import Ended, Limits, Stop, run_process
from modelyard.agent.sandbox import Sandbox
from tests.support.isolation import network_can_be_cut, working_bwrap

pytestmark = pytest.mark.skipif(not network_can_be_cut(), reason="bubblewrap cannot cut the network here")

ASK = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=20).read().decode())"


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"heard {self.path} for {self.headers['Host']}".encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def serve() -> Iterator[Callable[[], str]]:
    """Starts a server of this machine's loopback and returns its address."""
    servers = []

    def start() -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@dataclass
class Place:
    workspace: Path
    environments: Path
    url: str

    def run(self, *command: str, stop: Stop | None = None, **options: bool) -> tuple[Ended, str]:
        told: list[str] = []
        ended = run_process(
            command,
            folder=self.workspace,
            variables={"PATH": os.environ["PATH"], "MARK": "given"},
            log=told.append,
            stop=stop or Stop(),
            limits=Limits(),
            sandbox=Sandbox(working_bwrap() or "", self.workspace, self.environments, self.url),
            **{"network": False, **options},
        )
        return ended, "".join(told)

    def ask(self, url: str, *, network: bool = False) -> tuple[Ended, str]:
        return self.run(sys.executable, "-S", "-c", ASK, url, network=network)


@pytest.fixture
def place(tmp_path: Path, serve: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setattr(processes, "GRACE_SECONDS", 2.0)
    adopt_orphans()
    for name in ("work", "environments"):
        (tmp_path / name).mkdir()
    yield Place(tmp_path / "work", tmp_path / "environments", serve())
    adopt_orphans(False)


def test_without_a_network_the_registry_alone_is_reached_at_its_own_address(
    place: Place, serve: Callable[[], str]
) -> None:
    ended, told = place.ask(f"{place.url}/api")
    assert ended.is_ok, told
    assert told.strip() == f"heard /api for {place.url.removeprefix('http://')}"
    another = serve()
    ended, told = place.ask(another)
    assert ended.exit_code == 1
    assert "Connection refused" in told
    ended, told = place.ask(another, network=True)
    assert ended.is_ok, told


def test_a_registry_that_is_away_is_an_error_of_the_connection(place: Place) -> None:
    place.url = "http://127.0.0.1:9"
    ended, told = place.run("/bin/sh", "-c", "exec 1>&2; echo begun")
    assert ended.is_ok
    assert told == "begun\n"
    ended, told = place.run(sys.executable, "-S", "-c", ASK, Sandbox("", *[place.workspace] * 2, place.url).url)
    assert ended.exit_code == 1
    assert "RemoteDisconnected" in told or "reset" in told.lower()


def test_a_program_changes_its_own_folder_alone_and_sees_no_other_process(place: Place) -> None:
    code = (
        "touch mine; touch $1/x 2>/dev/null && echo changed the environments; touch $2 2>/dev/null && echo changed; "
        'echo /run/*; read first < /proc/1/comm; echo "$first $MARK"; '
        'while read name value; do [ "$name" = CapEff: ] && echo "$value"; done < /proc/self/status; true'
    )
    ended, told = place.run("/bin/sh", "-c", code, "sh", str(place.environments), "/usr/modelyard-test")
    assert ended.is_ok, told
    assert told == "/run/*\nbwrap given\n0000000000000000\n"
    assert (place.workspace / "mine").exists()
    ended, _ = place.run("/usr/bin/touch", str(place.environments / "made"), network=True, installs=True)
    assert ended.is_ok
    assert (place.environments / "made").exists()


def test_its_end_is_told_with_its_processor_time(place: Place) -> None:
    ended, _ = place.run(sys.executable, "-S", "-c", "sum(range(3_000_000)); raise SystemExit(7)")
    assert (ended.exit_code, ended.cause) == (7, "")
    assert ended.resources["cpu_seconds"] > 0.03
    ended, _ = place.run("/bin/sh", "-c", "kill -9 $$")
    assert ended.exit_code == 137
    assert "memory suspected" in ended.reason


@pytest.mark.parametrize("by_shell", [False, True], ids=["alone", "below a shell"])
def test_it_is_asked_to_end_before_it_is_ended(place: Place, by_shell: bool) -> None:
    stop = Stop()
    code = (
        "import signal, sys, time\n"
        "def save(*_):\n    time.sleep(0.5); print('saved', flush=True); sys.exit(3)\n"
        "signal.signal(signal.SIGTERM, save)\n"
        "open('ready', 'w').close()\n"
        "time.sleep(60)\n"
    )

    def ask() -> None:
        while not (place.workspace / "ready").exists():
            threading.Event().wait(0.01)
        stop.ask("cancelled", "on request")

    threading.Thread(target=ask, daemon=True).start()
    command = [sys.executable, "-S", "-c", code]
    if by_shell:
        # With a command behind it, the shell stays.
        command = ["/bin/sh", "-c", f"{shlex.join(command)}; exit $?"]
    ended, told = place.run(*command, stop=stop)
    # The shell gets the signal too, once its program has ended.
    assert (ended.exit_code, ended.cause) == (143 if by_shell else 3, "cancelled")
    assert told == "saved\n"


def test_the_address_inside_of_a_registry_with_a_name() -> None:
    def inside(url: str) -> str:
        return Sandbox("bwrap", Path("/w"), Path("/e"), url).url

    assert inside("http://127.0.0.1:8470") == "http://127.0.0.1:8470"
    assert inside("http://[::1]:9000/") == "http://[::1]:9000"
    assert inside("https://models.example.com") == "https://models.example.com:8470"

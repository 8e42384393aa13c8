"""One program of a step: its output, its limits, and that nothing of it is left."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modelyard.agent import processes
from modelyard.agent.descendants import adopt_orphans
from modelyard.agent.processes import Ended, Limits, Stop, run_process

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="descendants are found by /proc")


@pytest.fixture(autouse=True)
def _adopts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Adopt orphans during the test, as an agent does."""
    monkeypatch.setattr(processes, "GRACE_SECONDS", 0.5)
    adopt_orphans()
    yield
    adopt_orphans(False)


class Told:
    def __init__(self) -> None:
        self._pieces: list[str] = []
        self.arrived = threading.Event()

    @property
    def text(self) -> str:
        return "".join(self._pieces)

    def __call__(self, text: str) -> None:
        """Take a whole line, as a log is passed on."""
        self._pieces.append(text)
        if "ready" in text:
            self.arrived.set()


def run(
    folder: Path, code: str, told: Told | None = None, stop: Stop | None = None, limits: Limits | None = None
) -> Ended:
    return run_process(
        [sys.executable, "-S", "-c", code],
        folder=folder,
        variables=dict(os.environ),
        log=told or Told(),
        stop=stop or Stop(),
        limits=limits or Limits(),
    )


def stop_when_ready(told: Told) -> Stop:
    stop = Stop()

    def wait() -> None:
        assert told.arrived.wait(60)
        stop.ask("cancelled", "cancelled on request")

    threading.Thread(target=wait, daemon=True).start()
    return stop


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return not processes._is_alive(pid)


def test_both_streams_arrive_and_the_exit_code_is_that_of_a_shell(tmp_path: Path) -> None:
    told = Told()
    ended = run(tmp_path, "import sys, os; print('out'); print('err', file=sys.stderr); sys.exit(7)", told)
    assert (ended.exit_code, ended.cause, ended.reason, ended.is_ok) == (7, "", "exit code 7", False)
    assert sorted(told.text.split()) == ["err", "out"]
    assert ended.resources["cpu_seconds"] > 0
    assert ended.resources["peak_memory_bytes"] > 1_000_000
    assert run(tmp_path, "import os; print(os.getcwd())", told).is_ok
    assert str(tmp_path) in told.text


def test_credentials_are_masked_across_pieces(tmp_path: Path) -> None:
    told = Told()
    secret = "ghp_" + "a1B2c3D4" * 4 + "e5F6"
    code = (
        "import sys, time\n"
        f"for piece in ('password=', {secret[:10]!r}, {secret[10:]!r} + chr(10)): sys.stdout.write(piece); sys.stdout.flush()\n"
    )
    assert run(tmp_path, code, told).is_ok
    assert told.text.startswith("password=")
    assert secret[10:] not in told.text


def test_endless_and_binary_output_is_bounded_with_its_beginning_and_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "MAX_LOG_BYTES", 8 << 20)
    told = Told()
    code = (
        "import os\n"
        "os.write(1, b'first\\n')\n"
        "for _ in range(640): os.write(1, (bytes(range(128, 192)) + b'\\0\\n') * 1000)\n"
        "os.write(1, b'last\\n')\n"
    )
    assert run(tmp_path, code, told).is_ok
    assert told.text.startswith("first\n")
    assert told.text.endswith("last\n")
    assert "characters of the log are left out here" in told.text
    assert len(told.text.encode()) < 10 * 1024 * 1024


def test_a_program_that_ignores_sigterm_and_leaves_its_session_is_gone(tmp_path: Path) -> None:
    told = Told()
    code = (
        "import os, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork() == 0:\n"
        "        open('deep', 'w').write(str(os.getpid()))\n"
        "        print('ready', flush=True)\n"
        "        time.sleep(600)\n"
        "    os._exit(0)\n"
        "time.sleep(600)\n"
    )
    ended = run(tmp_path, code, told, stop_when_ready(told))
    assert (ended.cause, ended.reason) == ("cancelled", "cancelled on request")
    assert ended.exit_code == 128 + signal.SIGKILL
    assert is_gone(int((tmp_path / "deep").read_text()))


def test_sigterm_comes_first_so_that_a_training_can_save_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "GRACE_SECONDS", 60)
    told = Told()
    code = (
        "import signal, sys, time\n"
        "def save(*_): asked.append(1)\n"
        "asked = []\n"
        "signal.signal(signal.SIGTERM, save)\n"
        "print('ready', flush=True)\n"
        "while not asked: time.sleep(0.01)\n"
        "time.sleep(0.3)\n"
        "open('saved', 'w').write(str(len(asked)))\n"
        "sys.exit(3)\n"
    )
    ended = run(tmp_path, code, told, stop_when_ready(told))
    assert (ended.cause, ended.exit_code) == ("cancelled", 3)
    assert (tmp_path / "saved").read_text() == "1", "it is asked once"


def test_what_a_program_leaves_behind_is_ended_with_it(tmp_path: Path) -> None:
    code = (
        "import os, time\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    open('left', 'w').write(str(os.getpid()))\n"
        "    time.sleep(600)\n"
        "while not os.path.exists('left') or not open('left').read(): time.sleep(0.01)\n"
    )
    assert run(tmp_path, code).is_ok
    assert is_gone(int((tmp_path / "left").read_text()))


def test_time_limits_of_the_step_and_of_the_build(tmp_path: Path) -> None:
    ended = run(tmp_path, "import time; time.sleep(600)", limits=Limits(timeout_seconds=0.2))
    assert (ended.cause, ended.reason) == ("timed-out", "the step ran for longer than its 0.2 s")
    ended = run(tmp_path, "import time; time.sleep(600)", limits=Limits(deadline=time.monotonic()))
    assert (ended.cause, ended.reason) == ("timed-out", "the build ran for longer than its timeout")


def test_too_much_memory_is_our_reason(tmp_path: Path) -> None:
    code = "import time\nheld = b'x' * 80_000_000\ntime.sleep(600)"
    ended = run(tmp_path, code, limits=Limits(memory_bytes=50_000_000))
    assert ended.cause == "memory"
    assert "resources.memory" in ended.reason
    assert ended.resources["peak_memory_bytes"] > 50_000_000


def test_a_kill_that_was_not_ours_lets_memory_be_suspected(tmp_path: Path) -> None:
    ended = run(tmp_path, "import os; os.kill(os.getpid(), 9)")
    assert (ended.cause, ended.exit_code) == ("", 137)
    assert "memory suspected" in ended.reason
    shell = run_process(
        ["/bin/sh", "-c", "kill -15 $$"],
        folder=tmp_path,
        variables={},
        log=Told(),
        stop=Stop(),
        limits=Limits(),
    )
    assert shell.reason == "it was ended by SIGTERM"


@pytest.mark.parametrize("words", ["MemoryError", "std::bad_alloc", "CUDA out of memory. Tried to"])
def test_a_program_that_says_so_lets_memory_be_suspected(tmp_path: Path, words: str) -> None:
    ended = run(tmp_path, f"import sys; print({words!r}, file=sys.stderr); sys.exit(1)")
    assert (ended.cause, ended.reason) == ("", "exit code 1: out of memory suspected")


def test_millions_of_short_lines_are_passed_on_in_blocks(tmp_path: Path) -> None:
    calls: list[int] = []
    ended = run_process(
        [sys.executable, "-S", "-c", "import os\nfor _ in range(60): os.write(1, b'y\\n' * 32768)"],
        folder=tmp_path,
        variables={},
        log=lambda text: calls.append(len(text)),
        stop=Stop(),
        limits=Limits(),
    )
    assert ended.is_ok
    assert sum(calls) == 60 * 65536
    # A pipe holds 64 KiB, and may be read in smaller pieces; one call a line would be two million.
    assert len(calls) < 10_000


def test_a_program_that_does_not_exist(tmp_path: Path) -> None:
    ended = run_process(["/no/such"], folder=tmp_path, variables={}, log=Told(), stop=Stop(), limits=Limits())
    assert (ended.exit_code, ended.reason) == (127, "/no/such cannot be run: No such file or directory")


def test_the_first_cause_counts() -> None:
    stop = Stop()
    stop.ask("cancelled", "by ada")
    stop.ask("ended", "by SIGTERM")
    assert (stop.cause, stop.reason) == ("cancelled", "by ada")


def test_a_program_tells_what_it_uses_while_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_SAMPLE_SECONDS", 0.05)
    monkeypatch.setattr(processes, "USED_SECONDS", 0.05)
    used: list[dict[str, Any]] = []
    told = threading.Event()

    def note(resources: dict[str, Any]) -> None:
        used.append(resources)
        if resources.get("memory_mib"):
            (tmp_path / "seen").touch()
            told.set()

    code = "import os, time\nwhile not os.path.exists('seen'): time.sleep(0.01)"
    ended = run_process(
        [sys.executable, "-S", "-c", code],
        folder=tmp_path,
        variables=dict(os.environ),
        log=lambda _: None,
        used=note,
        stop=Stop(),
        limits=Limits(timeout_seconds=30),
    )
    assert ended.is_ok, "it ends when its use was told"
    assert told.is_set()
    assert ended.resources["memory_mib"][0] > 0
    assert "memory_mib" not in ended.totals
    assert ended.totals["peak_memory_bytes"] >= max(used[-1]["memory_mib"]) * (1 << 20) // 2

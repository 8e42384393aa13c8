"""Executors of builds: one suite for each implementation, with agents that are small programs."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from modelyard.engines.executor import Executor, Look, State, Task
from modelyard.engines.local import LocalExecutor
from tests.support.registry import unique

PATIENCE_SECONDS = 60
"""Far more than anything here takes, so that a slow machine fails no test."""


@dataclass
class Bench:
    """An executor whose agents run a program of the test's choice."""

    folder: Path
    secret: Path
    bwrap: str
    grace_seconds: float = 600.0

    def executor(self, program: str) -> LocalExecutor:
        return LocalExecutor(
            self.folder,
            hidden=[self.secret.parent],
            command=[sys.executable, "-c", program],
            bwrap=self.bwrap,
            grace_seconds=self.grace_seconds,
        )

    def run(self, program: str, **options: Any) -> tuple[Executor, str, Look]:
        """Run a program to its end."""
        executor, task = self.executor(program), Task(unique("task-"), **options)
        executor.submit(task)
        look = wait_for(lambda: gone(executor, task.name))
        assert look is not None
        return executor, task.name, look


T = TypeVar("T")


def wait_for(condition: Callable[[], T]) -> T:
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError("nothing happened")


def processes_in(folder: Path) -> list[str]:
    """The processes whose present folder is this one."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (entry / "cwd").readlink() == folder and "State:\tZ" not in (entry / "status").read_text():
                found.append(entry.name)
    return found


def gone(executor: Executor, name: str) -> Look | None:
    look = executor.look(name)
    return look if look.state is State.GONE else None


def working_bwrap() -> str | None:
    path = shutil.which("bwrap") or os.environ.get("MODELYARD_TEST_BWRAP")
    return path if path and LocalExecutor(Path("/nowhere"), bwrap=path).is_isolated else None


@pytest.fixture(params=["plain", "bubblewrap"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    found = working_bwrap() if request.param == "bubblewrap" else ""
    if found is None:
        pytest.skip("bubblewrap does not work here")
    data = tmp_path / "data"
    data.mkdir()
    (data / "key").write_text("the server's key")
    bench = Bench(data / "builds", data / "key", found)
    yield bench
    for folder in bench.folder.iterdir() if bench.folder.is_dir() else ():
        executor = LocalExecutor(bench.folder, bwrap=found, grace_seconds=0)
        while executor.look(folder.name).state is State.RUNNING:
            executor.cancel(folder.name)
            time.sleep(0.02)


def test_a_task_runs_with_what_it_is_told_and_nothing_else(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODELYARD_SECRET_KEY", "a secret of the server")
    program = "import os, json; print(json.dumps(dict(os.environ))); print(os.getcwd()); raise SystemExit(7)"
    executor, name, look = bench.run(program, environment={"MODELYARD_BUILD": "b"})
    assert (look.state, look.exit_code, "7" in look.reason) == (State.GONE, 7, True)
    text = executor.log_tail(name)
    assert '"MODELYARD_BUILD": "b"' in text
    assert "a secret of the server" not in text
    assert text.splitlines()[-1] == str(bench.folder / name / "work")
    assert f'"HOME": "{bench.folder / name / "home"}"' in text
    executor.clean(name)
    assert list(bench.folder.iterdir()) == []
    assert executor.look(name).state is State.UNKNOWN


def test_the_tail_holds_the_last_lines(bench: Bench) -> None:
    executor, name, _ = bench.run("print(*range(5000), sep='\\n'); print(b'\\xff'.decode('latin-1'))")
    lines = executor.log_tail(name).splitlines()
    assert len(lines) == 50
    assert lines[-2] == "4999"
    assert executor.log_tail("never-there") == ""


def test_a_task_is_submitted_once_and_found_again_by_another_server(bench: Bench) -> None:
    ready = "import pathlib, time; pathlib.Path('ready').open('a').write('x'); time.sleep(600)"
    first, task = bench.executor(ready), Task(unique("task-"))
    first.submit(task)
    wait_for((bench.folder / task.name / "work" / "ready").exists)
    second = bench.executor(ready)
    assert second.look(task.name).state is State.RUNNING
    second.submit(task)
    # Even if the server died before it noted the process.
    (bench.folder / task.name / "process").unlink()
    third = bench.executor(ready)
    third.submit(task)
    assert third.look(task.name).state is State.RUNNING
    assert (bench.folder / task.name / "work" / "ready").read_text() == "x"


def test_a_polite_request_comes_first_and_force_after_the_grace(bench: Bench) -> None:
    stubborn = (
        "import signal, time, pathlib\n"
        "signal.signal(signal.SIGTERM, lambda *_: pathlib.Path('asked').touch())\n"
        "pathlib.Path('ready').touch()\n"
        "while True: time.sleep(0.05)\n"
    )
    executor, task = bench.executor(stubborn), Task(unique("task-"))
    executor.submit(task)
    work = bench.folder / task.name / "work"
    wait_for((work / "ready").exists)
    executor.cancel(task.name)
    wait_for((work / "asked").exists)
    executor.cancel(task.name)
    assert executor.look(task.name).state is State.RUNNING
    os.utime(bench.folder / task.name / "ending", (0, 0))
    executor.cancel(task.name)
    wait_for(lambda: gone(executor, task.name))
    executor.cancel(task.name)


def test_children_in_sessions_of_their_own_end_too(bench: Bench) -> None:
    child = "import time, pathlib; pathlib.Path('child').touch(); time.sleep(600)"
    parent = (
        "import subprocess, sys, time\n"
        f"subprocess.Popen([sys.executable, '-c', {child!r}], start_new_session=True, env={{}})\n"
        f"subprocess.Popen([sys.executable, '-c', {child!r}], start_new_session=True)\n"
        "import pathlib\n"
        "while not pathlib.Path('child').exists(): time.sleep(0.02)\n"
    )
    executor, task = bench.executor(parent), Task(unique("task-"))
    executor.submit(task)
    work = bench.folder / task.name / "work"
    wait_for((work / "child").exists)
    if not bench.bwrap:
        # The agent has ended by now or will; what it left behind still counts as the task.
        assert executor.look(task.name).state is State.RUNNING

    def cancelled() -> Look | None:
        executor.cancel(task.name)
        return gone(executor, task.name)

    wait_for(cancelled)
    assert processes_in(work) == []


def test_killed_by_a_signal(bench: Bench) -> None:
    _, _, look = bench.run("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    if bench.bwrap:
        # bubblewrap reports as a shell does.
        assert look.exit_code == 128 + signal.SIGKILL
    else:
        assert look.exit_code == -signal.SIGKILL
        assert "out of memory" in look.reason


def test_memory_is_limited(bench: Bench) -> None:
    program = "x = bytearray(400 << 20); print('too much')"
    executor, name, look = bench.run(program, memory_bytes=200 << 20)
    assert look.exit_code == 1
    assert "MemoryError" in executor.log_tail(name)


def test_processors_are_limited(bench: Bench) -> None:
    program = "import os; print(len(os.sched_getaffinity(0)), os.environ['OMP_NUM_THREADS'])"
    executor, name, _ = bench.run(program, cpu=0.5)
    assert executor.log_tail(name) == "1 1"


def test_isolated_steps_do_not_see_the_servers_data(bench: Bench) -> None:
    program = (
        f"import pathlib\nprint(pathlib.Path({str(bench.secret)!r}).exists())\n"
        f"print(sorted(p.name for p in pathlib.Path({str(bench.folder)!r}).iterdir()))\n"
        "try:\n    pathlib.Path('/usr/written').touch()\n    print('wrote')\nexcept OSError: print('read-only')\n"
        "pathlib.Path('/tmp/own').touch()\n"
    )
    other = bench.folder / "another"
    other.mkdir(parents=True)
    if not bench.bwrap:
        assert not bench.executor(program).is_isolated
        assert "bubblewrap does not work" in bench.executor(program).note
        return
    executor, name, look = bench.run(program)
    assert look.exit_code == 0
    assert executor.log_tail(name).splitlines() == ["False", f"['{name}']", "read-only"]
    assert (bench.folder / name / "tmp" / "own").exists()


def test_environments_are_kept_for_one_share(bench: Bench) -> None:
    program = "import os, pathlib; p = pathlib.Path(os.environ['MODELYARD_ENVIRONMENTS']); print([*p.glob('x')] != []); (p / 'x').touch()"
    answers = []
    for share in ("one", "one", "two"):
        executor, name, _ = bench.run(program, share=share)
        answers.append(executor.log_tail(name))
        executor.clean(name)
    assert answers == ["False", "True", "False"]


def test_folders_that_a_step_closed_are_deleted(bench: Bench) -> None:
    program = "import os; os.mkdir('closed'); open('closed/file', 'w').close(); os.chmod('closed', 0o500)"
    executor, name, _ = bench.run(program)
    executor.clean(name)
    assert not (bench.folder / name).exists()
